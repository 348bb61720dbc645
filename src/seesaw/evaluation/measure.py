"""Measure time and memory of training steps and detection with random weights on random images.

On a GPU the models have the paper's sizes; on a CPU the same functions measure a smaller scale.
"""

from __future__ import annotations

import gc
import resource
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from seesaw.evaluation import synthetic
from seesaw.evaluation.modes import MODES, encode, in_mode, running
from seesaw.evaluation.paste import rle_masks
from seesaw.evaluation.timing import PartTimer, clock, timed
from seesaw.models.precision import Switches

DEFAULT = Switches()


def device() -> str:
    """Return the device of all measurements: ``cuda`` or ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class Trainer:
    """A config's detector with random weights, ready to take training steps."""

    def __init__(self, cfg: Config, switches: Switches = DEFAULT):
        switches.set_up()
        self._cfg = cfg
        self.model = switches.model(synthetic.build(cfg))
        wrapper = switches.optimizer(cfg.optim_wrapper.to_dict())
        wrapper["optimizer"] = dict(wrapper["optimizer"], lr=1e-6)  # weights barely change
        self._optimizer = build_optim_wrapper(self.model, wrapper)

    def measure(
        self, images: int = 2, px: tuple[int, int] | None = None, steps: int = 3, warm: int = 2
    ) -> dict[str, Any]:
        """Take training steps: forward, backward and update.

        Args:
            images: number of images per step.
            px: height and width of an image; by default `synthetic.typical_px`.
            steps: number of timed steps.
            warm: number of warm-up steps before them.

        Returns:
            ``seconds_per_image``, ``forward_seconds_per_image`` (medians), ``gigabytes`` (PyTorch's
            peak memory on a GPU, that of the process on a CPU), ``images``, ``px``, and ``loss``.
        """
        px = px or synthetic.typical_px(self._cfg)
        data = synthetic.batch(self._cfg, images, px)
        forward, seconds = [], []
        _reset_memory()
        with synthetic.proposals_on_objects(self.model):
            for number in range(warm + steps):
                start = clock()
                with self._optimizer.optim_context(self.model):
                    batch = self.model.data_preprocessor(data, True)
                    loss, _ = self.model.parse_losses(self.model(**batch, mode="loss"))
                middle = clock()
                self._optimizer.update_params(loss)
                if number >= warm:
                    seconds.append(clock() - start)
                    forward.append(middle - start)
        return dict(
            seconds_per_image=round(statistics.median(seconds) / images, 5),
            forward_seconds_per_image=round(statistics.median(forward) / images, 5),
            gigabytes=round(_peak_gigabytes(), 2),
            images=images,
            px=list(px),
            loss=round(loss.item(), 3),
        )


@torch.no_grad()
def detection(cfg: Config, images: int) -> dict[str, Any]:
    """Measure detection from the loaded image to run-length code, test-time augmentation included.

    One image for warm-up precedes the ``images`` that are timed.

    Returns:
        ``seconds_per_image`` (median), ``detections`` per image (mean), ``gigabytes`` (peak).
    """
    DEFAULT.set_up()
    model = net = DEFAULT.model(synthetic.build(cfg, train=False))
    if "tta_model" in cfg:
        model = MODELS.build(cfg.tta_model, default_args=dict(module=net))
    views = [synthetic.view(cfg, seed) for seed in range(images + 1)]
    seconds, found = [], 0
    with rle_masks(model), DEFAULT.inference(device()):
        for number, data in enumerate(views):
            if number == 1:
                _reset_memory()
            start = clock()
            (sample,) = model.test_step(data)
            if number:
                seconds.append(clock() - start)
                found += len(sample.pred_instances)
    return dict(
        seconds_per_image=round(statistics.median(seconds), 5),
        detections=found / images,
        gigabytes=round(_peak_gigabytes(), 2),
    )


@torch.no_grad()
def post_processing_modes(cfg: Config, images: int = 2) -> dict[str, dict[str, Any]]:
    """Measure fps as in a row of Table A2: each of `MODES` on the same images and weights.

    One image for warm-up precedes the ``images`` that are timed.

    Returns:
        Mode -> ``fps`` (images/s) and ``parts``: part -> seconds per image.
    """
    DEFAULT.set_up()
    made: dict[str, dict[str, Any]] = {mode: {} for mode in MODES}  # in this order
    state = None
    for mode in MODES[::-1]:
        in_this = cfg.copy()
        in_this.model = in_mode(cfg.model, mode)
        net = synthetic.build(in_this, train=False)
        state = state or net.state_dict()
        net.load_state_dict(state)
        timer, seconds = PartTimer(), []
        with running(net, mode), timed(net, timer):
            for number in range(images + 1):
                data = synthetic.view(cfg, number)
                if number == 1:
                    timer.reset()
                start = clock()
                for sample in net.test_step(data):
                    encode(sample.pred_instances.masks, timer)
                if number:
                    seconds.append(clock() - start)
        parts = {part: round(v / images, 5) for part, v in timer.seconds.items()}
        made[mode] = {"fps": round(1 / statistics.median(seconds), 4), "parts": parts}
        del net
        free()
    return made


def alternating(runs: Mapping[str, Callable[[], Any]], rounds: int = 5, warm: int = 2) -> dict:
    """Return the median seconds of each call; calls alternate, so drift affects all alike."""
    laps: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + warm):
        for name, run in runs.items():
            start = clock()
            run()
            if number >= warm:
                laps[name].append(clock() - start)
    return {name: statistics.median(found) for name, found in laps.items()}


def free() -> None:
    """Release the memory of the last model."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def as_mmdet_ships(cfg: Config) -> Config:
    """Return the config with mmdet's own heads and Seesaw Loss in place of this project's."""

    def swap(node: Any) -> Any:
        if isinstance(node, dict):
            node = {key: swap(value) for key, value in node.items()}
            if node.get("type") == "SyncedSeesawLoss":
                node["type"] = "SeesawLoss"
            return node
        return [swap(item) for item in node] if isinstance(node, (list, tuple)) else node

    made = cfg.copy()
    made.model = swap(in_mode(cfg.model, "mmdet"))
    return made


def _reset_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_gigabytes() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    # the peak of the whole process, which Linux gives in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
