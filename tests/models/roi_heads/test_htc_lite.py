"""HTC-Lite against SCNet's and Cascade's RoI heads, and mask scoring inside it."""

import pytest
import torch
from mmdet.structures.bbox import bbox2roi
from small_roi_heads import (
    GLBCTX,
    MASK_IOU,
    batch,
    build,
    losses_and_gradients,
    mask_head,
    predicted,
    pyramid,
)


def lite(**kwargs):
    return build("HTCLiteRoIHead", **dict(dict(glbctx_head=GLBCTX), **kwargs))


@pytest.mark.parametrize("mask_type", ["FCNMaskHead", "ClassIndexedFCNMaskHead"])
def test_losses_and_gradients_equal_scnet(mask_type):
    """Oracle: SCNetRoIHead without semantic branch and feature relay (mask weight 1.75)."""
    ours = lite(mask=mask_head(mask_type), mask_loss_weight=1.75)
    scnet = build(
        "SCNetRoIHead",
        mask=mask_head("FCNMaskHead"),
        bbox_type="SCNetBBoxHead",
        glbctx_head=GLBCTX,
        seed=1,
    )
    scnet.load_state_dict(ours.state_dict(), strict=True)
    expected, expected_grads = losses_and_gradients(scnet, pyramid(), *batch())
    losses, grads = losses_and_gradients(ours, pyramid(), *batch())
    losses["loss_mask"] = losses.pop("s2.loss_mask")
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-6, atol=1e-6, msg=name)
    for name, grad in expected_grads.items():
        torch.testing.assert_close(grads[name], grad, rtol=1e-4, atol=1e-5, msg=name)


def test_mask_loss_weight_scales_the_mask_loss_alone():
    one, _ = losses_and_gradients(lite(mask_iou_head=MASK_IOU), pyramid(), *batch())
    other = lite(mask_iou_head=MASK_IOU, mask_loss_weight=1.75)
    other, _ = losses_and_gradients(other, pyramid(), *batch())
    assert other["s2.loss_mask"].item() == pytest.approx(1.75 * one["s2.loss_mask"].item())
    assert all(torch.equal(other[name], one[name]) for name in one if name != "s2.loss_mask")


def test_without_context_equals_cascade_with_one_mask_head_three_times():
    """The mean of three equal masks is that mask; boxes are refined alike."""
    ours = lite(glbctx_head=None)
    cascade = build("CascadeRoIHead", mask=mask_head("FCNMaskHead"))
    state = {k: v for k, v in ours.state_dict().items() if not k.startswith("mask_head.")}
    for stage in range(3):
        for key, value in ours.mask_head.state_dict().items():
            state[f"mask_head.{stage}.{key}"] = value
    cascade.load_state_dict(state, strict=True)
    for actual, expected in zip(predicted(ours), predicted(cascade), strict=True):
        assert torch.equal(actual.bboxes, expected.bboxes)
        assert torch.equal(actual.scores, expected.scores)
        assert (actual.masks != expected.masks).sum() <= 2


def test_context_equals_adding_the_vector_to_the_pyramid():
    """RoIAlign of a constant is that constant, so the vector may be added before pooling."""
    ours = lite().double().eval()
    x = pyramid(dtype=torch.float64)
    with torch.no_grad():
        vector = ours.with_context(x)[-1]
        assert vector.shape == (2, 8, 1, 1)
        assert (vector[0] - vector[1]).abs().max() > 1e-3
        shifted = tuple(level + vector for level in x)
        rois = bbox2roi([results.bboxes.double() for results in batch()[1]])
        for extractor in (ours.bbox_roi_extractor[0], ours.mask_roi_extractor):
            torch.testing.assert_close(
                ours.extract_roi_feats(extractor, ours.with_context(x), rois),
                extractor(shifted[:4], rois),
                rtol=0,
                atol=1e-12,
            )


def test_context_level():
    """P6 (-1) is SCNet's; the context of P5 differs and reads P5."""
    six, five = lite(), lite(context_level=-2)
    five.load_state_dict(six.state_dict(), strict=True)
    x = pyramid()
    y = (*x[:3], x[4], x[3])
    assert not torch.equal(six.with_context(x)[-1], five.with_context(x)[-1])
    assert torch.equal(six.with_context(y)[-1], five.with_context(x)[-1])


def test_mask_branch_is_trained_on_last_stage_positives_only():
    losses, _ = losses_and_gradients(lite(mask_iou_head=MASK_IOU), pyramid(), *batch())
    assert [n for n in losses if "mask" in n] == ["s2.loss_mask", "s2.loss_mask_iou"]
    assert losses["s2.loss_mask_iou"].item() > 0


def test_mask_scores_are_kept_apart_from_box_scores():
    scoring, plain = lite(mask_iou_head=MASK_IOU), lite()
    plain.load_state_dict(
        {k: v for k, v in scoring.state_dict().items() if not k.startswith("mask_iou")}
    )
    results = predicted(scoring), predicted(plain)
    for scored, reference in zip(*results, strict=True):
        assert torch.equal(scored.scores, reference.scores)
        assert torch.equal(scored.masks, reference.masks)
        assert "mask_scores" not in reference
        with torch.no_grad():
            x = scoring.with_context(pyramid())
            image = float(results[0].index(scored))
            rois = torch.cat([torch.full((len(scored), 1), image), scored.bboxes], 1)
            ious = scoring.mask_branch(x, rois, scored.labels)["mask_ious"]
        product = scored.scores * ious[torch.arange(len(scored)), scored.labels]
        torch.testing.assert_close(scored.mask_scores, product)


def test_shipped_mask_iou_head_overwrites_box_scores():
    """The alternative by type: mmdet 3.x ranks boxes by mask quality too (mmdet#10978)."""
    separate = lite(mask_iou_head=MASK_IOU)
    shipped = lite(mask_iou_head=MASK_IOU | dict(type="MaskIoUHead"))
    shipped.load_state_dict(separate.state_dict(), strict=True)
    results = [predicted(head)[0] for head in (separate, shipped)]
    assert "mask_scores" not in results[1]
    assert torch.equal(results[1].scores, results[0].mask_scores)
    assert not torch.equal(results[1].scores, results[0].scores)
