"""A tiny detector of every kind of the ladder and of Table A2, with seeded weights that matter."""

import copy
import functools

import numpy as np
import torch
import tsd_cases
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from tsd_cases import CHANNELS, CLASSES, extractor, seesaw_options

import seesaw.models  # noqa: F401  (registers)

register_all_modules(init_default_scope=True)

SIZED = dict(in_channels=CHANNELS, conv_out_channels=CHANNELS, roi_feat_size=4)
MASK_IOU = SIZED | dict(type="SeparateMaskIoUHead", fc_out_channels=12, num_classes=CLASSES)
INDEXED, DENSE, HTC = "ClassIndexedFCNMaskHead", "FCNMaskHead", "ClassIndexedHTCMaskHead"
CASCADE = "ClassIndexedCascadeRoIHead"
TSD = "TSDHTCLiteRoIHead"


def bbox_head(stage=0, classes=CLASSES, agnostic=True):
    head = tsd_cases.bbox_head(stage, num_classes=classes, reg_class_agnostic=agnostic)
    head.pop("delta_channels")
    return head | dict(type="LazyNMSShared2FCBBoxHead")


def mask_head(kind, classes=CLASSES, **options):
    return SIZED | dict(type=kind, num_convs=1, num_classes=classes) | options


def plain(kind, mask=INDEXED, classes=CLASSES, agnostic=True, scoring=False):
    """RoI head config without TSD."""
    heads = [bbox_head(stage, classes, agnostic) for stage in range(3)]
    masks = mask_head(mask, classes)
    cfg = dict(type=kind, bbox_roi_extractor=extractor(3), mask_roi_extractor=extractor(4))
    if kind.endswith("StandardRoIHead"):
        return cfg | dict(bbox_head=heads[0], mask_head=masks)
    if mask == HTC:
        masks = [mask_head(mask, classes, with_conv_res=stage > 0) for stage in range(3)]
    cfg |= dict(bbox_head=heads, mask_head=masks, num_stages=3, stage_loss_weights=[1, 0.5, 0.25])
    if kind == "HTCLiteRoIHead":
        cfg["glbctx_head"] = tsd_cases.roi_head()["glbctx_head"] | dict(num_classes=classes)
    if scoring:
        cfg["mask_iou_head"] = MASK_IOU | dict(num_classes=classes)
    return cfg


PLAIN = {
    "mask_rcnn": dict(kind="ClassIndexedStandardRoIHead"),
    "mask_rcnn_class_specific_boxes": dict(kind="ClassIndexedStandardRoIHead", agnostic=False),
    "cascade": dict(kind=CASCADE),
    "cascade_dense_masks": dict(kind=CASCADE, mask=DENSE),
    "cascade_class_specific_boxes": dict(kind=CASCADE, agnostic=False),
    "htc": dict(kind="HTCRoIHeadFixed", mask=HTC),
    "htc_lite": dict(kind="HTCLiteRoIHead"),
    "htc_lite_dense_masks": dict(kind="HTCLiteRoIHead", mask=DENSE),
    "htc_lite_mask_scoring": dict(kind="HTCLiteRoIHead", scoring=True),
}
TSD_KINDS = {
    "tsd": dict(),
    "tsd_seesaw_mask_scoring": seesaw_options() | dict(roi_options=dict(mask_iou_head=MASK_IOU)),
    "dual_head": seesaw_options()
    | dict(
        kind="DualHeadCascadeRCNN",
        roi="DualTSDHTCLiteRoIHead",
        type="DualTSDBBoxHead",
        roi_options=dict(mask_iou_head=MASK_IOU),
    ),
}
KINDS = [*PLAIN, *TSD_KINDS]


def build(name, seed=0, classes=CLASSES):
    """Detector ``name`` of KINDS in evaluation mode; weights and buffers are functions of seed."""
    return copy.deepcopy(_build(name, seed, classes))


@functools.cache
def _build(name, seed, classes):
    if name in TSD_KINDS:
        model = tsd_cases.detector(**TSD_KINDS[name])
    else:
        model = tsd_cases.detector()
        cfg = plain(**PLAIN[name] | dict(classes=classes))
        model.roi_head = MODELS.build(ConfigDict(cfg, test_cfg=model.test_cfg.rcnn))
    generator = torch.Generator().manual_seed(seed)
    for key, parameter in model.named_parameters():
        if parameter.dim() > 1 and not key.startswith("backbone"):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data = noise * (2 / parameter[0].numel()) ** 0.5
    for key, buffer in model.named_buffers():
        if key.endswith("cum_samples"):
            buffer += torch.rand(buffer.shape, generator=generator)
    _calibrate(model, generator)
    model.eval()
    return model


@torch.no_grad()
def _calibrate(model, generator):
    """Features of unit size, from batch statistics as of training, and moderate proposals."""
    for module in model.backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    model.backbone.train()
    levels = model.extract_feat(torch.rand(2, 3, 96, 96, generator=generator) * 255)
    for conv, level in zip(model.neck.fpn_convs, levels, strict=False):
        conv.conv.weight /= level.std()
    model.rpn_head.rpn_reg.weight *= 0.2


def picture(seed=0, height=70, width=83):
    """Smooth uint8 image (H, W, 3)."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (12, 14, 3))
    rows, columns = np.linspace(0, 10.99, height), np.linspace(0, 12.99, width)
    for axis, at in enumerate((rows, columns)):
        low, share = at.astype(int), (at % 1).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        coarse = coarse.take(low, axis) * (1 - share) + coarse.take(low + 1, axis) * share
    return coarse.astype(np.uint8)


def view(image, size=96, flip=None):
    """One packed view: longer edge ``size``, mirrored in direction ``flip``."""
    pipeline = [
        dict(type="LoadImageFromNDArray"),
        dict(type="Resize", scale=(size, size), keep_ratio=True),
        dict(type="RandomFlip", prob=float(flip is not None), direction=flip or "horizontal"),
        dict(type="PackDetInputs"),
    ]
    return Compose(pipeline)(dict(img=image, img_id=1))


@torch.no_grad()
def predict(model, image, size=96):
    """The detector's own detections on an image."""
    return model.test_step(pseudo_collate([view(image, size)]))[0].pred_instances
