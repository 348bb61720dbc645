"""Inference speed of several models in three modes, on the same images (Table A2, column fps)."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from seesaw.evaluation.detect import build_model, dataloader
from seesaw.evaluation.modes import MODES, encode, in_mode, running
from seesaw.evaluation.timing import PARTS, PartTimer, clock, timed


@torch.no_grad()
def measure(models: dict[str, tuple[Config, Path]], images: int, rounds: int) -> dict:
    """Time every model in every mode on the same images, alternately, for several rounds.

    Machine drift then affects all models alike, and the median of the rounds is robust against
    outliers. The time from the loaded image to RLE is measured; data loading is excluded.
    ``models``: name -> (resolved config, weights). One round for warm-up precedes the others.

    Returns:
        ``fps``: mode -> name -> images/s; ``rounds``: the same with the list of all rounds;
        ``parts``: mode -> name -> part of `PARTS` or ``other`` -> seconds per image;
        ``detections_per_image``: mode -> name -> mean; and, once, ``images``, ``classes``,
        ``resolution`` (height and width of the largest input in pixels), ``threads``, ``device``.
    """
    loader = dataloader(next(iter(models.values()))[0], workers=0)
    batches = list(islice(loader, images))
    shapes = [sample.img_shape[:2] for batch in batches for sample in batch["data_samples"]]
    nets = {
        (mode, name): _build(config, weights, mode)
        for name, (config, weights) in models.items()
        for mode in MODES
    }
    laps: dict[tuple[str, str], list[dict]] = {key: [] for key in nets}
    for number in range(rounds + 1):
        for (mode, name), net in nets.items():
            lap = _lap(net, mode, batches)
            if number:
                laps[mode, name].append(lap)

    def table(value: Callable[[list[dict]], Any]) -> dict[str, dict[str, Any]]:
        return {mode: {name: value(laps[mode, name]) for name in models} for mode in MODES}

    head = next(iter(nets.values())).roi_head.bbox_head
    return dict(
        fps=table(lambda found: statistics.median(lap["fps"] for lap in found)),
        rounds=table(lambda found: [round(lap["fps"], 4) for lap in found]),
        parts=table(
            lambda found: {
                part: round(statistics.median(lap["parts"][part] for lap in found), 6)
                for part in (*PARTS, "other")
            }
        ),
        detections_per_image=table(lambda found: found[-1]["detections"]),
        images=len(batches),
        classes=(head[-1] if isinstance(head, nn.ModuleList) else head).num_classes,
        resolution=list(max(shapes, key=lambda s: s[0] * s[1])),  # type: ignore[index]
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
    )


def _build(config: Config, weights: Path, mode: str) -> nn.Module:
    config = config.copy()
    config.model = in_mode(config.model, mode)
    return build_model(config, weights)


def _lap(net: nn.Module, mode: str, batches: list[dict]) -> dict:
    """Run one round; return images/s, seconds per image of each part, and detections per image."""
    timer, detections = PartTimer(), 0
    with running(net, mode), timed(net, timer):
        start = clock()
        for batch in batches:
            for sample in net.test_step(batch):
                encode(sample.pred_instances.masks, timer)
                detections += len(sample.pred_instances)
        total = clock() - start
    parts = {part: timer.seconds[part] / len(batches) for part in PARTS}
    parts["other"] = total / len(batches) - sum(parts.values())
    return dict(fps=len(batches) / total, parts=parts, detections=detections / len(batches))
