"""Models that mmdet ships, at the size of LVIS (1,203 classes), with our RoI heads."""

import copy

import small_roi_heads  # noqa: F401  (registers mmdet's and our modules)
from mmengine.config import ConfigDict
from mmengine.hub import get_config

CLASSES = 1203
CASCADE = "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py"
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
    return class_indexed(shipped(CASCADE), "ClassIndexedCascadeRoIHead")


def htc():
    return class_indexed(shipped("htc/htc-without-semantic_r50_fpn_1x_coco.py"), "HTCRoIHeadFixed")


def htc_lite():
    """With four convolutions in its box heads and mask scoring, as the ladder's."""
    model = cascade()
    head = model.roi_head
    head.update(type="HTCLiteRoIHead", glbctx_head=ConfigDict(GLBCTX))
    head.mask_iou_head = ConfigDict(type="SeparateMaskIoUHead", num_classes=CLASSES)
    head.mask_head.norm_cfg = ConfigDict(NORM)
    for bbox_head in head.bbox_head:
        bbox_head.update(type="Shared4Conv1FCBBoxHead", conv_out_channels=256, norm_cfg=NORM)
    return model
