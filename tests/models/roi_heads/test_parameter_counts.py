"""Parameter counts at paper scale (1,203 classes), built without memory on the meta device."""

import copy

import pytest
import small_roi_heads  # noqa: F401  (registers mmdet's and our modules)
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.hub import get_config

CLASSES = 1203
CARAFE = dict(
    type="carafe",
    scale_factor=2,
    up_kernel=5,
    up_group=1,
    encoder_kernel=3,
    encoder_dilation=1,
    compressed_channels=64,
)
GLBCTX = dict(
    type="GlobalContextHead",
    num_convs=4,
    in_channels=256,
    conv_out_channels=256,
    num_classes=CLASSES,
    loss_weight=3.0,
    conv_to_res=True,
)
NORM = dict(type="SyncBN", requires_grad=True)


def shipped(name):
    """The model of a configuration that mmdet ships, with LVIS v1's number of classes."""
    model = copy.deepcopy(get_config(f"mmdet::{name}").model)
    model.backbone.init_cfg = None
    for key in ("bbox_head", "mask_head"):
        heads = model.roi_head[key]
        for head in heads if isinstance(heads, list) else [heads]:
            head.num_classes = CLASSES
    return model


def class_indexed(model, roi_type):
    model.roi_head.type = roi_type
    masks = model.roi_head.mask_head
    for head in masks if isinstance(masks, list) else [masks]:
        head.type = "ClassIndexed" + head.type
    return model


def mask_rcnn():
    return class_indexed(
        shipped("mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"), "ClassIndexedStandardRoIHead"
    )


def cascade():
    return class_indexed(
        shipped("cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py"), "ClassIndexedCascadeRoIHead"
    )


def htc():
    return class_indexed(shipped("htc/htc-without-semantic_r50_fpn_1x_coco.py"), "HTCRoIHeadFixed")


def htc_lite(four_convs=False, carafe=False, norm=False, **kwargs):
    model = cascade()
    head = model.roi_head
    head.update(type="HTCLiteRoIHead", glbctx_head=ConfigDict(GLBCTX), **kwargs)
    if carafe:
        head.mask_head.upsample_cfg = ConfigDict(CARAFE)
    if norm:
        head.mask_head.norm_cfg = ConfigDict(NORM)
    if four_convs:
        for bbox_head in head.bbox_head:
            bbox_head.update(type="Shared4Conv1FCBBoxHead", conv_out_channels=256, norm_cfg=NORM)
    return model


def parameters(model):
    with torch.device("meta"):
        detector = MODELS.build(model)
    return detector, sum(p.numel() for p in detector.parameters())


@pytest.mark.parametrize(("four_convs", "expected"), [(False, 78.262), (True, 82.197)])
def test_htc_lite_with_carafe(four_convs, expected):
    """The paper's own models are counted in tests/configs/test_parameters.py."""
    _, count = parameters(htc_lite(carafe=True, norm=True, four_convs=four_convs))
    assert round(count / 1e6, 3) == expected


def test_mask_scoring_adds_its_head():
    """17.491 M more, class-specific (1,203 outputs)."""
    iou_head = dict(type="SeparateMaskIoUHead", num_classes=CLASSES)
    scored, count = parameters(htc_lite(mask_iou_head=iou_head))
    assert round(sum(p.numel() for p in scored.roi_head.mask_iou_head.parameters()) / 1e6, 3) == (
        17.491
    )
    assert round((count - parameters(htc_lite())[1]) / 1e6, 3) == 17.491


def test_state_dict_keys_are_those_of_the_dense_head():
    indexed, _ = parameters(cascade())
    dense, _ = parameters(shipped("cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py"))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (indexed, dense)]
    assert shapes[0] == shapes[1]
