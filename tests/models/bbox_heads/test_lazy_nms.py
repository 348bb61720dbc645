"""Box heads with lazy NMS predict what mmdet's heads predict, with the same weights."""

import pytest
import torch
from mmdet.models.roi_heads.bbox_heads import ConvFCBBoxHead, Shared2FCBBoxHead, bbox_head
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from seesaw.models.bbox_heads.lazy_nms import LazyNMSMixin

META = dict(img_shape=(128, 128), scale_factor=(0.5, 0.5))
TEST_CFG = ConfigDict(score_thr=1e-4, nms=dict(type="nms", iou_threshold=0.5), max_per_img=25)
HEAD = dict(in_channels=4, fc_out_channels=8, roi_feat_size=7, num_classes=9)


def heads(base, agnostic):
    torch.manual_seed(0)
    convs = dict(num_shared_convs=4, num_shared_fcs=1, conv_out_channels=4)
    extra = convs if base is ConvFCBBoxHead else {}
    theirs = base(**HEAD, **extra, reg_class_agnostic=agnostic)
    ours = MODELS.build(
        dict(type=f"LazyNMS{base.__name__}", **HEAD, **extra, reg_class_agnostic=agnostic)
    )
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def predict(head, rois, cfg, rescale):
    gen = torch.Generator().manual_seed(1)
    scores = torch.randn(len(rois), 10, generator=gen) * 2
    deltas = torch.randn(len(rois), 4 if head.reg_class_agnostic else 36, generator=gen) * 0.3
    return head.predict_by_feat((rois,), (scores,), (deltas,), [META], cfg, rescale)[0]


def boxes_in_an_image():
    gen = torch.Generator().manual_seed(0)
    corner = torch.rand(40, 2, generator=gen) * 60
    return torch.cat([torch.zeros(40, 1), corner, corner + 10 + corner.flip(1) / 2], 1)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("base", [Shared2FCBBoxHead, ConvFCBBoxHead])
def test_predictions_equal_those_of_the_base_head(base, agnostic, rescale):
    theirs, ours = heads(base, agnostic)
    assert isinstance(ours, LazyNMSMixin) and isinstance(ours, base)
    rois = boxes_in_an_image()
    want, got = (predict(head, rois, TEST_CFG, rescale) for head in (theirs, ours))
    assert len(got) == 25 and sorted(got.keys()) == sorted(want.keys())
    assert all(torch.equal(got[key], want[key]) for key in want.keys())  # noqa: SIM118
    for cfg, boxes in ((None, rois), (TEST_CFG, rois[:0]), (None, rois[:0])):
        want, got = (predict(head, boxes, cfg, rescale) for head in (theirs, ours))
        assert sorted(got.keys()) == sorted(want.keys())
        assert all(torch.equal(got[key], want[key]) for key in want.keys())  # noqa: SIM118


@pytest.mark.parametrize("base", [Shared2FCBBoxHead, ConvFCBBoxHead])
def test_mmdets_nms_is_not_called(base, monkeypatch):
    """Equal results do not tell whether mmdet still calls the private method that is replaced."""
    monkeypatch.setattr(bbox_head, "multiclass_nms", None)
    theirs, ours = heads(base, agnostic=True)
    assert len(predict(ours, boxes_in_an_image(), TEST_CFG, False)) == 25
    with pytest.raises(TypeError):
        predict(theirs, boxes_in_an_image(), TEST_CFG, False)
