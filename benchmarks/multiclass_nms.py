"""Lazy exact multiclass NMS against mmdet's on 1,000 proposals x 1,203 classes (LVIS v1).

Scores are a softmax of noisy logits at two sharpnesses, so that few or most candidates pass the
threshold; boxes overlap in clusters as RPN proposals do. Medians of one run. Coordinates are
multiples of 1/8 pixel: there mmdet's float32 class offsets are exact and both must keep the same
boxes. On finer coordinates mmdet's rounding decides a few of 300 otherwise (2 in one case here).
"""

from functools import partial

import torch
from mmdet.models.layers import multiclass_nms
from report import arguments, median_cpu_seconds, row

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
    boxes = (boxes * 8).round() / 8
    logits = torch.randn(60, CLASSES + 1, generator=gen)[objects] * sharpness
    logits += torch.randn(PROPOSALS, CLASSES + 1, generator=gen)
    logits[:, -1] += 2 * sharpness
    return boxes, logits.softmax(1)


def main() -> None:
    """Print one line per case."""
    repeats = 9 if arguments(__doc__, "nine repeats instead of three").parse_args().full else 3
    torch.set_num_threads(1)
    for class_specific in (False, True):
        for sharpness in (3.0, 1.0):
            inputs = make_inputs(sharpness, class_specific)
            candidates = int((inputs[1][:, :-1] > THRESHOLD).sum())
            both = [
                nms(*inputs, THRESHOLD, NMS, MAX_NUM)
                for nms in (multiclass_nms, lazy_multiclass_nms)
            ]
            if not all(torch.equal(a, b) for a, b in zip(*both, strict=True)):
                raise SystemExit("the two differ in what they keep")
            theirs, ours = (
                median_cpu_seconds(partial(nms, *inputs, THRESHOLD, NMS, MAX_NUM), repeats)
                for nms in (multiclass_nms, lazy_multiclass_nms)
            )
            boxes = "class-specific" if class_specific else "class-agnostic"
            what = f"Multiclass NMS, {boxes} boxes, {candidates:,} candidates"
            row(what, ours * 1e3, "ms", theirs * 1e3, "mmdet", at_least=5)


if __name__ == "__main__":
    main()
