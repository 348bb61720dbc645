"""TSD: equations 2-9 of Song et al. 2020, the official code's details, and mmdet as the oracle."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi, bbox_overlaps
from tsd_cases import (
    CE,
    CLASSES,
    batch,
    bbox_head,
    detector,
    sampled,
    seesaw_options,
    trained_like,
    zero_deltas,
)

from seesaw.errors import UserError
from seesaw.models.bbox_heads.tsd_bbox_head import TSDBBoxHead, progressive_constraint


def copy_sibling(head):
    """Give the TSD branches the weights of the sibling head."""
    for fcs in (head.cls_fcs, head.reg_fcs):
        fcs.load_state_dict(head.sibling.shared_fcs.state_dict())
    head.fc_cls.load_state_dict(head.sibling.fc_cls.state_dict())
    head.fc_reg.load_state_dict(head.sibling.fc_reg.state_dict())


def test_progressive_constraint_by_hand():
    sibling = torch.tensor([0.5, 0.5, 0.5, 0.95, 1.0], requires_grad=True)
    tsd = torch.tensor([0.8, 0.6, 0.3, 0.95, 1.0], requires_grad=True)
    loss = progressive_constraint(sibling, tsd, 0.2)
    torch.testing.assert_close(loss, torch.tensor([0.0, 0.1, 0.4, 0.05, 0.0]))
    loss.sum().backward()
    assert sibling.grad is None
    assert tsd.grad.tolist() == [0, -1, -1, -1, 0]


def test_equal_heads_leave_exactly_the_capped_margins():
    """With zero deltas and the sibling's weights TSD is the sibling: M = min(1 - H, m)."""
    model = trained_like(detector())
    model.train()
    head = model.roi_head.bbox_head[0]
    zero_deltas(head)
    copy_sibling(head)
    x, results = sampled(model)
    out = model.roi_head.bbox_loss(0, x, results)
    torch.testing.assert_close(out["cls_score"], out["sibling_cls_score"])
    torch.testing.assert_close(out["bbox_pred"], out["sibling_bbox_pred"])
    loss, labels, rois = out["loss_bbox"], out["bbox_targets"][0], out["rois"]
    torch.testing.assert_close(loss["loss_cls"], loss["sibling_loss_cls"])
    torch.testing.assert_close(loss["loss_bbox"], loss["sibling_loss_bbox"])
    probability = out["cls_score"].softmax(1)[torch.arange(len(labels)), labels]
    torch.testing.assert_close(loss["loss_pc_cls"], (1 - probability).clamp(max=0.2).mean())
    pos = labels < CLASSES
    boxes = head.bbox_coder.decode(rois[pos, 1:], out["bbox_pred"][pos])
    gts = torch.cat([result.pos_gt_bboxes for result in results])
    iou = bbox_overlaps(boxes, gts, is_aligned=True)
    assert (iou > 0).sum() > 8 and iou.max() < 0.9
    torch.testing.assert_close(loss["loss_pc_loc"], (1 - iou).clamp(max=0.2).mean())


def test_constraints_follow_the_official_code_image_by_image():
    """Official bbox_target_single_tsd: every RoI of images with a positive, positives for boxes."""
    model = trained_like(detector(pc_cls=0.3, pc_loc=0.1)).train()
    x, results = sampled(model, images_and_samples=batch([[[8.0, 8, 40, 56]], []], [[1], []]))
    out = model.roi_head.bbox_loss(0, x, results)
    head, labels, rois = model.roi_head.bbox_head[0], out["bbox_targets"][0], out["rois"]
    first = rois[:, 0] == 0
    pos = labels < CLASSES
    assert 0 < pos.sum() < first.sum() < len(rois)
    row = torch.arange(len(labels))
    h1 = out["sibling_cls_score"].softmax(1)[row, labels][first]
    h1_tsd = out["cls_score"].softmax(1)[row, labels][first]
    wanted = F.relu(-(h1_tsd - h1 - torch.minimum(1 - h1, torch.tensor(0.3)))).mean()
    torch.testing.assert_close(out["loss_bbox"]["loss_pc_cls"], wanted)
    iou, iou_tsd = (
        bbox_overlaps(head.bbox_coder.decode(rois[pos, 1:], out[key][pos]),
                      results[0].pos_gt_bboxes, is_aligned=True)
        for key in ("sibling_bbox_pred", "bbox_pred")
    )  # fmt: skip
    wanted = F.relu(-(iou_tsd - iou - torch.minimum(1 - iou, torch.tensor(0.1)))).mean()
    torch.testing.assert_close(out["loss_bbox"]["loss_pc_loc"], wanted)


def test_constraints_reach_the_deltas_and_never_the_sibling():
    model = trained_like(detector()).train()
    x, results = sampled(model)
    head = model.roi_head.bbox_head[0]
    for name, part in (("loss_pc_cls", "delta_c"), ("loss_pc_loc", "delta_r")):
        model.zero_grad()
        loss = model.roi_head.bbox_loss(0, x, results)["loss_bbox"][name]
        loss.backward(retain_graph=True)
        assert all(p.grad is None for p in head.sibling.parameters())
        assert getattr(head, part)[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("agnostic", [True, False])
def test_translated_deltas_are_those_of_the_translated_proposal(agnostic):
    """decode(P, translate(d)) == decode(P_r, d), P_r = P + gamma (w, h) delta_r."""
    head = MODELS.build(bbox_head(1, reg_class_agnostic=agnostic)).double()
    torch.manual_seed(0)
    corner = torch.rand(50, 2).double() * 100
    priors = torch.cat([corner, corner + 5 + torch.rand(50, 2) * 80], 1)
    pred = torch.randn(50, 4 if agnostic else 4 * CLASSES).double()
    delta_r = torch.randn(50, 2).double()[:, :, None, None].expand(-1, -1, 3, 3)
    shift = 0.1 * delta_r[:, :, 0, 0] * (priors[:, 2:] - priors[:, :2])
    moved = priors + shift.repeat(1, 2)
    repeat = pred.shape[1] // 4
    decode = head.bbox_coder.decode
    expected = decode(moved.repeat_interleave(repeat, 0), pred.view(-1, 4))
    actual = decode(priors.repeat_interleave(repeat, 0), head.translate(pred, delta_r).view(-1, 4))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


def test_box_loss_and_its_gradient_are_those_of_targets_on_the_translated_proposal():
    """L^D_loc = SmoothL1(pred, encode(P_r, gt)): value, autograd and finite differences."""
    head = MODELS.build(bbox_head(0)).double()
    torch.manual_seed(1)
    priors = torch.tensor([[10.0, 10, 50, 40], [5, 20, 60, 90]]).double()
    gts = priors + torch.randn(2, 4).double() * 4
    pred = torch.randn(2, 4).double()
    coder, labels = head.bbox_coder, torch.tensor([0, 2])

    def ours(raw):
        offsets = raw[:, :, None, None].expand(-1, -1, 3, 3)
        targets = labels, torch.ones(2), coder.encode(priors, gts), torch.ones(2, 4)
        cls_score = torch.zeros(2, CLASSES + 1).double()
        moved = head.translate(pred, offsets)
        return head.loss(cls_score, moved, bbox2roi([priors]), *targets)["loss_bbox"]

    def official(raw):
        moved = priors + (0.1 * raw * (priors[:, 2:] - priors[:, :2])).repeat(1, 2)
        return F.smooth_l1_loss(pred, coder.encode(moved, gts), reduction="sum") / 2

    raw = torch.randn(2, 2).double().requires_grad_()
    torch.testing.assert_close(ours(raw), official(raw))
    gradient = torch.autograd.grad(ours(raw), raw)[0]
    torch.testing.assert_close(gradient, torch.autograd.grad(official(raw), raw)[0])
    assert gradient.abs().min() > 0
    assert torch.autograd.gradcheck(ours, raw)


def test_seesaw_counts_once_per_classifier_and_drops_the_constraint_on_classification():
    model = detector(**seesaw_options()).train()
    x, results = sampled(model)
    out = model.roi_head.bbox_loss(0, x, results)
    head = model.roi_head.bbox_head[0]
    expected = torch.bincount(out["bbox_targets"][0], minlength=CLASSES + 1).double()
    assert head.loss_cls is not head.sibling.loss_cls
    for loss in (head.loss_cls, head.sibling.loss_cls):
        torch.testing.assert_close(loss.cum_samples, expected)
    assert out["cls_score"].shape[1] == out["sibling_cls_score"].shape[1] == CLASSES + 2
    names = {"loss_cls_classes", "loss_cls_objectness", "acc_classes", "acc_objectness"}
    names |= {"loss_bbox"}
    assert set(out["loss_bbox"]) == names | {f"sibling_{n}" for n in names} | {"loss_pc_loc"}


def test_clamped_centres_are_refused():
    coder = dict(bbox_head()["bbox_coder"], add_ctr_clamp=True)
    with pytest.raises(UserError, match="add_ctr_clamp=False"):
        MODELS.build(bbox_head(bbox_coder=coder, loss_cls=CE))
    assert isinstance(MODELS.build(bbox_head()), TSDBBoxHead)
