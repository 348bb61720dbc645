"""HTC without semantic branch: three masks averaged (mmdet#10210), shipped behaviour by switch."""

import pytest
import torch
from mmdet.structures.bbox import bbox2roi
from small_roi_heads import batch, build, mask_head, predicted, pyramid

from seesaw.errors import UserError

DENSE = mask_head("HTCMaskHead")


def masks_of(head, training=False, stage=-1):
    rois = bbox2roi([results.bboxes for results in batch()[1]])
    with torch.no_grad():
        return head.eval()._mask_forward(stage, pyramid(), rois, training=training)["mask_preds"]


def htc(**kwargs):
    return build("HTCRoIHeadFixed", mask=DENSE, **kwargs)


@pytest.mark.parametrize("flow", [True, False])
def test_inference_lists_what_each_stage_is_trained_for(flow):
    head = htc(mask_info_flow=flow)
    logits = masks_of(head)
    assert len(logits) == 3
    for stage, actual in enumerate(logits):
        assert torch.equal(actual, masks_of(head, training=True, stage=stage))
    assert not torch.equal(logits[0], logits[2])


def test_pasted_masks_come_from_the_mean_probability():
    head = htc().eval()
    samples, rpn = batch()
    with torch.no_grad():
        result = head.predict(pyramid(), rpn, samples)[0]
        stages = head._mask_forward(-1, pyramid(), bbox2roi([result.bboxes]), training=False)[
            "mask_preds"
        ]
        mean = sum(logits.sigmoid() for logits in stages) / 3
        oracle = head.mask_head[-1].predict_by_feat(
            [mean], [result.clone()], [samples[0].metainfo], head.test_cfg, activate_map=True
        )[0]
    assert torch.equal(result.masks, oracle.masks)


def test_last_stage_switch_is_the_shipped_behaviour():
    shipped = build("HybridTaskCascadeRoIHead", mask=DENSE)
    last, mean = htc(mask_stages="last"), htc()
    for head in (last, mean):
        head.load_state_dict(shipped.state_dict(), strict=True)
    results = [predicted(head)[0] for head in (shipped, last, mean)]
    assert torch.equal(results[0].masks, results[1].masks)
    assert not torch.equal(results[0].masks, results[2].masks)
    assert torch.equal(results[0].scores, results[2].scores)


def test_unknown_mask_stages_is_refused():
    with pytest.raises(UserError, match="'first'"):
        htc(mask_stages="first")
