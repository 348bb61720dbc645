"""Calls each operator that the models use once: on the GPU if there is one, else on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from mmcv import ops

from seesaw.models.ops.carafe import CARAFEAny
from seesaw.models.ops.deform_roi_pool import DeformRoIPoolAny


def operators(device: str) -> dict[str, tuple[Callable[[], float], float]]:
    """Return name -> a call that returns a number, and the number expected on maps of ones."""
    x = torch.ones(1, 4, 8, 8, device=device)
    rois = torch.tensor([[0.0, 1, 1, 6, 6]], device=device)
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4.1]], device=device)
    scores = torch.tensor([0.9, 0.8], device=device)
    classes = torch.tensor([0, 1], device=device)
    weight = torch.ones(2, 4, 3, 3, device=device)
    offset = torch.zeros(1, 18, 8, 8, device=device)
    rule = dict(type="nms", iou_threshold=0.5)
    carafe = CARAFEAny(4, 2).to(device)
    pool = DeformRoIPoolAny((2, 2))

    def middle(y: torch.Tensor) -> float:
        return y[0, 0, y.shape[2] // 2, y.shape[3] // 2].item()

    return {
        "nms": (lambda: len(ops.nms(boxes, scores, 0.5)[0]), 1),
        "batched_nms": (lambda: len(ops.batched_nms(boxes, scores, classes, rule)[0]), 2),
        "roi_align": (lambda: middle(ops.roi_align(x, rois, (2, 2))), 1),
        "deform_conv2d": (lambda: middle(ops.deform_conv2d(x, offset, weight, 1, 1, 1, 1, 1)), 36),
        "modulated_deform_conv2d": (
            lambda: middle(
                ops.modulated_deform_conv2d(
                    x, offset, offset[:, :9] + 1, weight, None, 1, 1, 1, 1, 1
                )
            ),
            36,
        ),
        "carafe": (lambda: middle(carafe(x)), 1),
        "deform_roi_pool": (lambda: middle(pool(x, rois)), 1),
    }


def broken(device: str) -> dict[str, str]:
    """Return the operators that fail or return a wrong number, with the error."""
    faults = {}
    for name, (call, expected) in operators(device).items():
        try:
            found = call()
        except Exception as error:  # a missing kernel raises RuntimeError, a broken one any error
            faults[name] = " ".join(str(error).split())[:120]
            continue
        if abs(found - expected) > 1e-4:
            faults[name] = f"gives {found:g}, not {expected}"
    return faults
