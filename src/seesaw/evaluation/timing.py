"""Measure the inference time of a model's parts with one timer for CPU and GPU."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

PARTS = ("features", "proposals", "boxes", "nms", "masks", "paste_encode")


class PartTimer:
    """Sum seconds by part; time inside a nested part counts for the nested part only.

    The GPU is synchronised at the start and end of each part.

    Attributes:
        seconds: part -> seconds since the last `reset`.
    """

    def __init__(self) -> None:
        self._open: list[str] = []
        self._since = 0.0
        self.reset()

    def reset(self) -> None:
        """Delete all times."""
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block as part ``name``."""
        self._book()
        self._open.append(name)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def _book(self) -> None:
        now = clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since  # type: ignore[assignment]
        self._since = now


def clock() -> float:
    """Synchronise the GPU, if there is one, and return the seconds of a clock."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def timed(model: nn.Module, timer: PartTimer) -> Iterator[None]:
    """Measure the parts of a two-stage detector's inference inside the block.

    The parts are ``features`` (backbone and neck), ``proposals`` (RPN), ``boxes`` (all stages of
    the box head), ``nms`` (activation, decoding and class-wise NMS of the last stage's outputs),
    ``masks`` (from RoI features to mask outputs, averaged if there are several) and
    ``paste_encode`` (from mask outputs to full masks or RLE). ``model`` may be a RoI head
    alone, whose features and proposals are given.
    """
    roi_head = getattr(model, "roi_head", model)
    methods = [
        (roi_head, "predict_bbox", "boxes"),
        (_last(roi_head.bbox_head), "predict_by_feat", "nms"),
        (roi_head, "predict_mask", "masks"),
        (_last(roi_head.mask_head), "predict_by_feat", "paste_encode"),
    ]
    if roi_head is not model:
        methods += [(model, "extract_feat", "features"), (model.rpn_head, "predict", "proposals")]
    with ExitStack() as stack:
        for owner, method, part in methods:
            stack.enter_context(_counted(owner, method, part, timer))
        yield


def _last(head: nn.Module) -> nn.Module:
    return head[-1] if isinstance(head, nn.ModuleList) else head


@contextmanager
def _counted(owner: nn.Module, method: str, part: str, timer: PartTimer) -> Iterator[None]:
    original = getattr(owner, method)

    def counted(*args, **kwargs):
        with timer.part(part):
            return original(*args, **kwargs)

    setattr(owner, method, counted)
    try:
        yield
    finally:
        delattr(owner, method)
