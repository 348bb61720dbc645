"""Every RoI head trains and predicts the same with dense and with class-indexed mask heads."""

import numpy as np
import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.structures import InstanceData
from small_roi_heads import (
    CLASSES,
    GLBCTX,
    MASK_IOU,
    SIZE,
    batch,
    build,
    losses_and_gradients,
    mask_head,
    predicted,
    pyramid,
)

HTC = mask_head("HTCMaskHead"), mask_head("ClassIndexedHTCMaskHead")
FCN = mask_head("FCNMaskHead"), mask_head()
KINDS = {
    "ClassIndexedStandardRoIHead": (FCN, {}),
    "ClassIndexedCascadeRoIHead": (FCN, {}),
    "HTCRoIHeadFixed": (HTC, {}),
    "HTCLiteRoIHead": (FCN, dict(glbctx_head=GLBCTX, mask_iou_head=MASK_IOU)),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def heads(kind, **more):
    masks, options = KINDS[kind]
    return tuple(build(kind, mask=mask | more, **options) for mask in masks)


def single(kind, **more):
    masks, options = KINDS[kind]
    return build(kind, mask=masks[1], **options, **more)


@kinds
@pytest.mark.parametrize("predictor", ["Conv", "NormedConv2d"])
def test_losses_gradients_and_detections_equal_dense(kind, predictor):
    dense, indexed = heads(kind, predictor_cfg=dict(type=predictor))
    indexed.load_state_dict(dense.state_dict(), strict=True)
    expected, expected_grads = losses_and_gradients(dense, pyramid(), *batch())
    actual, grads = losses_and_gradients(indexed, pyramid(), *batch())
    assert actual.keys() == expected.keys()
    assert any("loss_mask" in name for name in actual)
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=1e-5, atol=1e-5, msg=name)
    for name, grad in expected_grads.items():
        assert grad is not None, name
        torch.testing.assert_close(grads[name], grad, rtol=1e-4, atol=1e-5, msg=name)

    for reference, result in zip(predicted(dense), predicted(indexed), strict=True):
        assert len(reference) == 10
        assert torch.equal(reference.bboxes, result.bboxes)
        assert torch.equal(reference.labels, result.labels)
        assert 0.02 < result.masks.float().mean() < 0.9
        assert (reference.masks != result.masks).sum() <= 1e-5 * result.masks.numel()
        if "mask_scores" in reference:
            torch.testing.assert_close(reference.mask_scores, result.mask_scores)


@kinds
def test_no_objects_and_no_proposals(kind):
    head = single(kind)
    for objects, proposals in [((0, 0), (9, 9)), ((2, 0), (0, 0)), ((0, 0), (0, 0))]:
        samples, rpn = batch(objects, proposals)
        losses, grads = losses_and_gradients(head, pyramid(), samples, rpn)
        assert all(torch.isfinite(value).all() for value in losses.values())
        assert [name for name, grad in grads.items() if grad is None] == []
        assert torch.isfinite(torch.cat([g.flatten() for g in grads.values()])).all()


@kinds
def test_no_detections(kind):
    nothing, something = single(kind, score_thr=1.1), single(kind)
    for head, proposals, counts in [
        (nothing, (9, 9), [0, 0]),
        (something, (0, 0), [0, 0]),
        (something, (9, 0), [9, 0]),
    ]:
        results = predicted(head, objects=(1, 1), proposals=proposals)
        assert [min(len(r), 1) for r in results] == [min(n, 1) for n in counts]
        for result in results:
            assert result.masks.shape == (len(result), 128, 128)
            assert ("mask_scores" in result) == (kind == "HTCLiteRoIHead")


def flip_symmetric(head):
    for parameter in head.parameters():
        if parameter.dim() == 4:
            parameter.data = (parameter.data + parameter.data.flip(-1)) / 2
    return head.eval()


@kinds
def test_flipped_view_gives_mirrored_masks(kind):
    """With mirror-symmetric weights a mirrored view has mirrored masks, in the boxes' frame.

    mmdet's own heads raise there (mmdet#10210).
    """
    head = flip_symmetric(single(kind))
    kwargs = dict(semantic_heat=None) if kind == "HTCRoIHeadFixed" else {}
    views = []
    for flip in (False, True):
        samples, rpn = batch(proposals=(6, 5), flip=flip)
        x = pyramid()
        if flip:
            x = tuple(level.flip(-1) for level in x)
        results = []
        for proposals in rpn:
            x1, y1, x2, y2 = proposals.bboxes.unbind(1)
            bboxes = torch.stack([SIZE - x2, y1, SIZE - x1, y2] if flip else [x1, y1, x2, y2], 1)
            labels = torch.arange(len(bboxes)) % CLASSES
            results.append(InstanceData(bboxes=bboxes, labels=labels, scores=torch.ones(len(x1))))
        with torch.no_grad():
            views.append(
                head.predict_mask(
                    x=head.with_context(x) if kind == "HTCLiteRoIHead" else x,
                    batch_img_metas=[sample.metainfo for sample in samples],
                    results_list=results,
                    rescale=True,
                    **kwargs,
                )
            )
    for original, view in zip(*views, strict=True):
        assert 0.005 < original.masks.float().mean() < 0.9
        wrong = [(original.masks != m).sum() for m in (view.masks.flip(-1), view.masks)]
        # a pixel at probability one half may fall to either side in float32
        assert wrong[0] <= 3 < 100 < wrong[1]


@kinds
def test_sync_bn_mask_head_trains_on_cpu(kind):
    masks, options = KINDS[kind]
    head = build(kind, mask=masks[1] | dict(norm_cfg=dict(type="SyncBN")), **options)
    head = revert_sync_batchnorm(head)
    for objects in [(3, 2), (0, 0)]:
        losses, grads = losses_and_gradients(head, pyramid(), *batch(objects))
        assert all(torch.isfinite(value).all() for value in losses.values())
        norms = [name for name in grads if ".bn." in name]
        assert len(norms) >= 4
        assert all(grads[name] is not None for name in norms)


@kinds
def test_tensor_mode(kind):
    samples, rpn = batch((1, 1), (5, 4))
    np.random.seed(0)
    with torch.no_grad():
        outputs = single(kind).eval()(pyramid(), rpn, samples)
    masks = outputs[-1] if isinstance(outputs[-1], torch.Tensor) else torch.cat(outputs[-1])
    assert len(masks) == 9
