"""Lazy multiclass NMS against brute force per class, and against mmdet's where that is exact."""

import inspect

import numpy as np
import pytest
import torch
from mmdet.models.layers import multiclass_nms

from seesaw.models.ops import multiclass_nms as module
from seesaw.models.ops.multiclass_nms import lazy_multiclass_nms

NMS = dict(type="nms", iou_threshold=0.5)


def brute_force(boxes, scores, threshold, iou_threshold, max_num):
    """Greedy NMS per class over all candidates ordered by score, then index; float32 IoU."""
    rows, classes = len(scores), scores.shape[1] - 1
    boxes = np.broadcast_to(boxes.numpy().reshape(rows, -1, 4), (rows, classes, 4)).reshape(-1, 4)
    flat = scores.numpy()[:, :-1].reshape(-1)
    kept = []
    for i in sorted(np.flatnonzero(flat > threshold), key=lambda i: (-flat[i], i)):
        rivals = [j for j in kept if j % classes == i % classes]
        a, b = boxes[i], boxes[rivals].reshape(-1, 4)
        sides = np.minimum(a[2:], b[:, 2:]) - np.maximum(a[:2], b[:, :2])
        inter = sides.clip(min=np.float32(0)).prod(1)
        union = (a[2:] - a[:2]).prod() + (b[:, 2:] - b[:, :2]).prod(1) - inter
        if not (inter / union > np.float32(iou_threshold)).any():
            kept.append(i)
    return kept[:max_num] if max_num > 0 else kept


def make(seed, rows, classes, class_specific=False, levels=0, integer=False):
    """Clustered boxes; softmax scores, with ties if ``levels``, all different if ``integer``."""
    gen = torch.Generator().manual_seed(seed)
    columns = classes if class_specific else 1
    corner = torch.randint(6, (rows, columns, 2), generator=gen) * 20.0
    corner = corner + torch.rand(rows, columns, 2, generator=gen) * 10
    side = torch.rand(rows, columns, 2, generator=gen) * 20 + 15
    boxes = torch.cat([corner, corner + side], 2).flatten(1)
    scores = (torch.randn(rows, classes + 1, generator=gen) * 2).softmax(1)
    if levels:
        scores = (scores * levels).round() / levels
    if integer:
        boxes, scores = boxes.round(), (torch.randperm(scores.numel(), generator=gen) + 1.0)
        scores = scores.view(rows, classes + 1) / scores.numel()
    return boxes, scores


@pytest.mark.parametrize("class_specific", [False, True])
@pytest.mark.parametrize("levels", [0, 20])
@pytest.mark.parametrize(
    ("rows", "classes", "threshold", "max_num"),
    [(60, 12, 1e-4, 10), (60, 12, 1e-4, 300), (60, 12, 0.05, -1), (30, 1, 0.0, 5), (5, 40, 0.9, 5)],
)
def test_equals_brute_force(class_specific, levels, rows, classes, threshold, max_num):
    boxes, scores = make(0, rows, classes, class_specific, levels)
    dets, labels, inds = lazy_multiclass_nms(
        boxes, scores, threshold, NMS, max_num, return_inds=True
    )
    want = brute_force(boxes, scores, threshold, 0.5, max_num)
    assert inds.tolist() == want
    assert labels.tolist() == [i % classes for i in want]
    expanded = boxes.view(rows, -1, 4).expand(rows, classes, 4).reshape(-1, 4)
    assert torch.equal(dets[:, :4], expanded[want])
    assert torch.equal(dets[:, 4], scores[:, :-1].reshape(-1)[want])


@pytest.mark.parametrize("class_specific", [False, True])
@pytest.mark.parametrize("split_thr", [100, 100_000])
def test_equals_mmdet_where_its_class_offset_is_exact(class_specific, split_thr):
    """Integer coordinates below 256 and 40 classes: mmdet's float32 offsets lose nothing."""
    boxes, scores = make(1, 100, 40, class_specific, integer=True)
    assert len(scores.unique()) == scores.numel() and boxes.max() < 256
    nms = dict(NMS, split_thr=split_thr)
    for max_num in (5, 100, -1):
        arguments = (boxes, scores, 1e-4, nms, max_num)
        ours = lazy_multiclass_nms(*arguments, return_inds=True)
        theirs = multiclass_nms(*arguments, return_inds=True)
        assert len(ours) == 3 and all(map(torch.equal, ours, theirs))
        assert all(map(torch.equal, lazy_multiclass_nms(*arguments), theirs[:2]))


def test_is_exact_where_the_class_offset_of_mmdet_is_not():
    """Two boxes of the last class with IoU 0.5 + 2e-5, which the offset 1202 * 1000 rounds away."""
    boxes = torch.tensor([[0, 0, 100, 100], [0, 0, 50.002, 100], [900, 900, 999, 999.0]])
    scores = torch.full((3, 1204), 1e-6)
    scores[:, 1202] = torch.tensor([0.9, 0.8, 0.7])
    arguments = (boxes, scores, 1e-4, NMS, 300)
    assert lazy_multiclass_nms(*arguments, return_inds=True)[2].tolist() == brute_force(
        *arguments[:3], 0.5, 300
    )
    assert len(lazy_multiclass_nms(*arguments)[0]) == 2
    assert len(multiclass_nms(*arguments)[0]) == 3


def test_looks_at_a_prefix_only_and_grows_it_when_it_must(monkeypatch):
    sizes = []
    whole = module._class_wise_nms
    monkeypatch.setattr(
        module,
        "_class_wise_nms",
        lambda b, labels, **k: sizes.append(len(labels)) or whole(b, labels, **k),
    )
    boxes, scores = make(2, 200, 50)
    module.lazy_multiclass_nms(boxes, scores, 1e-5, NMS, 20)
    assert sizes == [80]
    # One object and two classes above the rest: nearly every candidate must be looked at.
    sizes.clear()
    boxes, scores = torch.tensor([[0.0, 0, 10, 10]]).repeat(200, 1), torch.rand(200, 3)
    dets, _ = module.lazy_multiclass_nms(boxes, scores, 0.0, NMS, 20)
    assert sizes == [80, 320, 400]
    assert dets[:, 4].tolist() == scores[:, :2].amax(0).sort(descending=True).values.tolist()


def test_ties_at_the_edge_of_the_prefix_are_ordered_by_index():
    boxes = torch.stack([torch.arange(50.0) * 20, torch.zeros(50)], 1).repeat(1, 2)
    boxes[:, 2:] += 10
    scores = torch.full((50, 3), 0.25)
    _, labels, inds = lazy_multiclass_nms(boxes, scores, 0.1, NMS, 7, return_inds=True)
    assert inds.tolist() == list(range(7)) and labels.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_switches_change_the_result():
    boxes, scores = make(3, 60, 5)
    base = lazy_multiclass_nms(boxes, scores, 1e-4, NMS, -1)[0]
    assert len(lazy_multiclass_nms(boxes, scores, 1e-4, dict(NMS, iou_threshold=0.8))[0]) > len(
        base
    )
    assert len(lazy_multiclass_nms(boxes, scores, 1e-4, dict(NMS, iou_threshold=0.2))[0]) < len(
        base
    )
    assert len(lazy_multiclass_nms(boxes, scores, 0.3, NMS)[0]) < len(base)


def test_score_factors_apply_after_the_threshold_as_in_mmdet():
    boxes, scores = make(4, 60, 10, integer=True)
    factors = torch.linspace(0.01, 1, 60)
    arguments = (boxes, scores, 0.5, NMS, 200)
    ours = lazy_multiclass_nms(*arguments, score_factors=factors)
    theirs = multiclass_nms(*arguments, score_factors=factors)
    assert all(map(torch.equal, ours, theirs))
    assert (ours[0][:, 4] < 0.5).any()


@pytest.mark.parametrize(
    "nms",
    [
        dict(type="soft_nms", iou_threshold=0.5, min_score=0.01),
        dict(type="nms", iou_threshold=0.5, class_agnostic=True),
        None,
    ],
)
def test_other_kinds_of_nms_are_mmdets(nms):
    boxes, scores = make(5, 60, 3, integer=True)
    ours = lazy_multiclass_nms(boxes, scores, 0.01, nms, -1, return_inds=True)
    theirs = multiclass_nms(boxes, scores, 0.01, nms, -1, return_inds=True)
    assert all(map(torch.equal, ours, theirs))
    # The class-wise result differs, so the switch was honoured.
    assert not torch.equal(ours[0], lazy_multiclass_nms(boxes, scores, 0.01, NMS)[0])


@pytest.mark.parametrize(("rows", "threshold"), [(0, 0.1), (10, 1.0)])
def test_no_candidates(rows, threshold):
    boxes, scores = torch.zeros(rows, 4), torch.rand(rows, 8)
    ours = lazy_multiclass_nms(boxes, scores, threshold, NMS, 300, return_inds=True)
    theirs = multiclass_nms(boxes, scores, threshold, NMS, 300, return_inds=True)
    assert [(t.shape, t.dtype) for t in ours] == [(t.shape, t.dtype) for t in theirs]
    assert ours[0].shape == (0, 5)


def test_signature_is_mmdets():
    ours = inspect.signature(lazy_multiclass_nms).parameters
    theirs = inspect.signature(multiclass_nms).parameters
    assert {k: v.default for k, v in ours.items()} == {k: v.default for k, v in theirs.items()}
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("offset", [0, 1])
def test_a_gpus_form_keeps_the_same_boxes(threshold, offset):
    """All classes in one matrix against mmcv's kernel, class by class; chains are long."""
    generator = torch.Generator().manual_seed(0)
    for count, classes in ((1, 1), (60, 1), (400, 7), (900, 300)):
        corner = torch.rand(count, 2, generator=generator) * 60
        boxes = torch.cat([corner, corner + 1 + torch.rand(count, 2, generator=generator) * 40], 1)
        boxes[: count // 10, 2:] = boxes[: count // 10, :2]  # boxes without an area
        labels = torch.randint(classes, (count,), generator=generator)
        options = dict(iou_threshold=threshold, offset=offset)
        expected = module._class_wise_nms(boxes, labels, **options)
        found = module._all_classes_at_once(boxes, labels, **options)
        assert torch.equal(found, expected)
