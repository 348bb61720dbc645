"""Lazy exact multiclass NMS against mmdet's on 1,000 proposals x 1,203 classes (LVIS v1).

Scores are a softmax of noisy logits at two sharpnesses, so that few or most candidates pass the
threshold; boxes overlap in clusters as RPN proposals do. Prints medians and ratios of one run.

Usage: python benchmarks/multiclass_nms.py [--repeats 5]
"""

import argparse
import statistics
import time

import torch
from mmdet.models.layers import multiclass_nms

from seesaw.models.ops.multiclass_nms import lazy_multiclass_nms

PROPOSALS, CLASSES, THRESHOLD, MAX_NUM = 1000, 1203, 1e-4, 300
NMS = dict(type="nms", iou_threshold=0.5)


def make_inputs(sharpness: float, class_specific: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes (1000, 4 or 4 * 1203) around 60 objects and scores (1000, 1204)."""
    gen = torch.Generator().manual_seed(0)
    objects = torch.randint(60, (PROPOSALS,), generator=gen)
    corner = (torch.rand(60, 2, generator=gen) * 900)[objects]
    side = (torch.rand(60, 2, generator=gen) * 250 + 16)[objects]
    boxes = torch.cat([corner, corner + side], 1)
    boxes += torch.randn(PROPOSALS, 4, generator=gen) * 0.15 * side.repeat(1, 2)
    boxes = torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)], 1).clamp(min=0)
    if class_specific:
        boxes = boxes.repeat(1, CLASSES) + torch.rand(PROPOSALS, 4 * CLASSES, generator=gen)
    logits = torch.randn(60, CLASSES + 1, generator=gen)[objects] * sharpness
    logits += torch.randn(PROPOSALS, CLASSES + 1, generator=gen)
    logits[:, -1] += 2 * sharpness
    return boxes, logits.softmax(1)


def median_seconds(function, arguments, repeats: int) -> float:
    """Median wall time of ``repeats`` calls after one warm-up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function(*arguments, THRESHOLD, NMS, MAX_NUM)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    for class_specific in (False, True):
        for sharpness in (3.0, 1.0):
            inputs = make_inputs(sharpness, class_specific)
            candidates = int((inputs[1][:, :-1] > THRESHOLD).sum())
            theirs = median_seconds(multiclass_nms, inputs, repeats)
            ours = median_seconds(lazy_multiclass_nms, inputs, repeats)
            print(
                f"{'class-specific' if class_specific else 'class-agnostic'} boxes, "
                f"{candidates:>9,} candidates: mmdet {theirs * 1e3:8.1f} ms, "
                f"lazy {ours * 1e3:6.1f} ms, {theirs / ours:5.1f} times faster"
            )


if __name__ == "__main__":
    main()
