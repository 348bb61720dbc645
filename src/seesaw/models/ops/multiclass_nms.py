"""Class-wise NMS that processes only the best candidates, with exact results.

The ``max_num`` best boxes after class-wise NMS depend on a prefix of the candidates sorted by
score, because a box is suppressed by better boxes only. At 1,203 classes and a threshold of 1e-4
that prefix is a thousandth of the candidates that mmdet's ``multiclass_nms`` processes.
"""

import torch
from mmcv.ops import nms
from mmdet.models.layers import multiclass_nms
from torch import Tensor

_GROWTH = 4
_AT_ONCE = 4096  # boxes whose overlaps a GPU computes as one matrix


def _class_wise_nms(boxes: Tensor, labels: Tensor, **nms_cfg: float) -> Tensor:
    """Mask of the boxes that survive NMS within their class; rows are sorted by rank."""
    if boxes.is_cuda and len(labels) <= _AT_ONCE:
        return _all_classes_at_once(boxes, labels, **nms_cfg)
    keep = torch.ones_like(labels, dtype=torch.bool)
    # Ranks as scores break ties by rank; boxes of one class at a time need no class offset, which
    # costs batched_nms the last bits of the coordinates.
    ranks = torch.arange(len(labels), 0, -1, dtype=torch.float32, device=boxes.device)
    order = labels.argsort(stable=True)
    sizes = labels[order].unique_consecutive(return_counts=True)[1].tolist()
    for members in order.split(sizes):
        if len(members) > 1:
            keep[members] = False
            keep[members[nms(boxes[members], ranks[members], **nms_cfg)[1]]] = True
    return keep


def _all_classes_at_once(
    boxes: Tensor, labels: Tensor, iou_threshold: float, offset: float = 0
) -> Tensor:
    """Return the same as `_class_wise_nms` with few kernels and waits of the host, for a GPU.

    A box is kept if no better kept box of its class overlaps it. Starting with all boxes, the rule
    is applied until nothing changes; after n steps it holds for all chains of n suppressions.
    """
    sides = (boxes[:, 2:] - boxes[:, :2] + offset).unbind(1)
    area = sides[0] * sides[1]
    corner = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    inner = (torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - corner + offset).clamp(min=0)
    shared = inner[..., 0] * inner[..., 1]
    overlap = shared / (area[:, None] + area - shared) > iou_threshold
    suppresses = (overlap & (labels[:, None] == labels)).triu(1)  # [better, worse]
    keep = torch.ones_like(labels, dtype=torch.bool)
    while not torch.equal(keep, new := ~(suppresses & keep[:, None]).any(0)):
        keep = new
    return keep


def lazy_multiclass_nms(
    multi_bboxes: Tensor,
    multi_scores: Tensor,
    score_thr: float,
    nms_cfg: dict,
    max_num: int = -1,
    score_factors: Tensor | None = None,
    return_inds: bool = False,
    box_dim: int = 4,
) -> tuple[Tensor, ...]:
    """Drop-in for mmdet's ``multiclass_nms`` (mmdet/models/layers/bbox_nms.py), exact and lazy.

    Equal to greedy NMS inside each class with candidates ordered by score (descending), then by
    flat index ``row * C + class``. mmdet gives the same wherever no score is tied and no IoU lies
    within the rounding of its class offset (float32 ``class * (largest coordinate + 1)``, an
    eighth of a pixel for the last LVIS classes) of the threshold. NMS other than plain class-wise
    ``nms`` (soft NMS, class-agnostic, None, per-class limits) is passed to mmdet's function, since
    its result does not depend on a prefix only.

    Args:
        multi_bboxes: (N, 4) or, per class, (N, C * 4), as (x1, y1, x2, y2).
        multi_scores: (N, C + 1); the last column, background, is ignored.
        score_thr: candidates need a score above it (before ``score_factors``).
        nms_cfg: e.g. ``dict(type='nms', iou_threshold=0.5)``; ``split_thr`` has no effect.
        max_num: number of boxes to return at most; 0 or negative for all.
        score_factors: (N,) factors of the scores.
        return_inds: whether to return flat indices too.
        box_dim: box parameters; only 4 is done lazily.

    Returns:
        (dets (K, 5) with scores, labels (K,), and with ``return_inds`` indices (K,) into N * C),
        best first.
    """
    plain = dict(nms_cfg or dict(type=None))
    plain.pop("split_thr", None)
    if (
        plain.pop("type", "nms") != "nms"
        or set(plain) - {"iou_threshold", "offset"}
        or box_dim != 4
    ):
        return multiclass_nms(
            multi_bboxes,
            multi_scores,
            score_thr,
            nms_cfg,
            max_num,
            score_factors=score_factors,
            return_inds=return_inds,
            box_dim=box_dim,
        )
    num_classes = multi_scores.shape[1] - 1
    class_specific = multi_bboxes.shape[1] > 4
    scores = multi_scores[:, :-1]
    valid = (scores > score_thr).flatten()
    if score_factors is not None:
        scores = scores * score_factors[:, None]
    scores = scores.flatten()
    candidates = int(valid.sum())
    ranked = scores.masked_fill(~valid, -torch.inf)
    count = min(_GROWTH * max_num, candidates) if max_num > 0 else candidates
    while True:
        prefix = valid
        if count < candidates:
            prefix = ranked >= ranked.topk(count, sorted=False).values.min()
        inds = prefix.nonzero()[:, 0]
        inds = inds[scores[inds].argsort(descending=True, stable=True)]
        rows, labels = inds // num_classes, inds % num_classes
        boxes = multi_bboxes.reshape(-1, 4)[inds if class_specific else rows]
        kept = _class_wise_nms(boxes.float(), labels, **plain).nonzero()[:, 0]
        if len(inds) == candidates or len(kept) >= max_num > 0:
            break
        count = min(_GROWTH * len(inds), candidates)
    kept = kept[:max_num] if max_num > 0 else kept
    dets = torch.cat([boxes[kept], scores[inds[kept], None]], -1)
    return (dets, labels[kept], inds[kept]) if return_inds else (dets, labels[kept])
