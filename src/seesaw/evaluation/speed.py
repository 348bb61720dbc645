"""Inference speed of several models on the same images, interleaved (Table A2, column fps)."""

from __future__ import annotations

import platform
import statistics
import time
from itertools import islice

import torch
from mmengine.config import Config

from seesaw.evaluation.detect import build_model, dataloader


@torch.no_grad()
def measure(models: dict[str, tuple[Config, object]], images: int, rounds: int) -> dict:
    """Time each model on the same images, in turn, for several rounds.

    The machine's drift hits all models alike, and the median of the rounds is robust against a
    burst. Data loading and RLE encoding are left out, NMS and mask pasting are in, as in mmdet's
    benchmark tool.

    Args:
        models: name -> (resolved config, weights).
        images: images a round.
        rounds: rounds; one more runs first and is dropped as warm-up.

    Returns:
        ``{"fps": {name: median}, "rounds": {name: [fps of each round]}, ...}`` with device,
        threads and detections an image.
    """
    cfg = next(iter(models.values()))[0]
    batches = list(islice(dataloader(cfg), images))
    nets = {name: build_model(config, weights) for name, (config, weights) in models.items()}
    timed: dict[str, list[float]] = {name: [] for name in nets}
    found: dict[str, float] = {}
    for lap in range(rounds + 1):
        for name, net in nets.items():
            seconds, detections = _lap(net, batches)
            if lap:
                timed[name].append(len(batches) / seconds)
                found[name] = detections / len(batches)
    return dict(
        fps={name: statistics.median(laps) for name, laps in timed.items()},
        rounds={name: [round(fps, 4) for fps in laps] for name, laps in timed.items()},
        detections_per_image=found,
        images=len(batches),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
    )


def _lap(net: torch.nn.Module, batches: list[dict]) -> tuple[float, int]:
    detections = 0
    _wait()
    start = time.perf_counter()
    for batch in batches:
        detections += sum(len(sample.pred_instances) for sample in net.test_step(batch))
    _wait()
    return time.perf_counter() - start, detections


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
