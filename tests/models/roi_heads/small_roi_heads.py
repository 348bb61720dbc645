"""Small RoI heads, pyramids and batches for the tests of this folder."""

import numpy as np
import torch
import tsd_cases
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from tsd_cases import CHANNELS, annotated, extractor

import seesaw.models.mask_heads.mask_iou_head
import seesaw.models.roi_heads.cascade
import seesaw.models.roi_heads.htc
import seesaw.models.roi_heads.htc_lite  # noqa: F401

register_all_modules(init_default_scope=True)

CLASSES, SIZE = 7, 128
SIZED = dict(in_channels=CHANNELS, conv_out_channels=CHANNELS, num_classes=CLASSES)
GLBCTX = SIZED | dict(type="GlobalContextHead", num_convs=4, loss_weight=3.0, conv_to_res=True)
MASK_IOU = SIZED | dict(type="SeparateMaskIoUHead", fc_out_channels=16)


def bbox_head(stage, bbox_type, **options):
    sizes = dict(fc_out_channels=16, roi_feat_size=7, num_classes=CLASSES)
    head = tsd_cases.bbox_head(stage, type=bbox_type, **sizes, **options)
    del head["delta_channels"]
    return head


def mask_head(mask_type="ClassIndexedFCNMaskHead"):
    return SIZED | dict(type=mask_type, num_convs=2)


def build(roi_type, mask=None, bbox_type="Shared2FCBBoxHead", score_thr=0.0, seed=0, **kwargs):
    """Build a RoI head of type ``roi_type`` with seeded weights large enough to matter."""
    standard = roi_type.endswith("StandardRoIHead")
    train = [
        ConfigDict(tsd_cases.rcnn(iou, num=32, pos_fraction=0.25, mask_size=28))
        for iou in (0.5, 0.6, 0.7)
    ]
    shared = dict(num_shared_fcs=2) if bbox_type == "SCNetBBoxHead" else {}
    heads = [bbox_head(stage, bbox_type, **shared) for stage in range(3)]
    mask = mask or mask_head()
    if "HTCMaskHead" in mask["type"]:  # as mmdet's HTC: the first stage has nothing to add to
        mask = [mask | dict(with_conv_res=stage > 0) for stage in range(3)]
    cfg = dict(
        type=roi_type,
        bbox_roi_extractor=extractor(7, finest_scale=8),
        bbox_head=heads[0] if standard else heads,
        mask_roi_extractor=extractor(14, finest_scale=8),
        mask_head=mask,
        train_cfg=train[0] if standard else train,
        test_cfg=ConfigDict(
            score_thr=score_thr,
            nms=dict(type="nms", iou_threshold=0.5),
            max_per_img=10,
            mask_thr_binary=0.5,
        ),
        **kwargs,
    )
    if not standard:
        cfg.update(num_stages=3, stage_loss_weights=[1, 0.5, 0.25])
    torch.manual_seed(seed)
    head = MODELS.build(cfg)
    generator = torch.Generator().manual_seed(seed)
    for parameter in head.parameters():
        scale = 0.2 if parameter.dim() > 1 else 0.05
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    return head


def pyramid(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(2, CHANNELS, SIZE // s, SIZE // s, generator=generator).to(dtype)
        for s in (4, 8, 16, 32, 64)
    )


def batch(objects=(3, 2), proposals=(20, 20), seed=0, flip=False):
    """Data samples with square-masked objects, and proposals that jitter around them."""
    rng = np.random.default_rng(seed)
    samples, rpn = [], []
    for count, number in zip(objects, proposals, strict=True):
        corner = rng.uniform(0, SIZE * 0.5, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, SIZE * 0.45, (count, 2))], 1)
        masks = np.zeros((count, SIZE, SIZE), np.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
            mask[y1:y2, x1 : (x1 + x2) // 2 + 2] = 1
        labels = torch.from_numpy(rng.integers(0, CLASSES, count))
        mirrored = dict(flip=flip, flip_direction="horizontal" if flip else None)
        samples.append(annotated(torch.from_numpy(boxes).float(), labels, masks, **mirrored))
        around = boxes[rng.integers(0, max(count, 1), number)] if count else None
        if around is None:
            around = np.tile([10.0, 10.0, 60.0, 60.0], (number, 1))
        around = np.clip(around + rng.normal(0, 6, (number, 4)), 0, SIZE)
        around[:, 2:] = np.maximum(around[:, 2:], around[:, :2] + 4).clip(max=SIZE)
        rpn.append(InstanceData(bboxes=torch.from_numpy(around).float().reshape(-1, 4)))
    return samples, rpn


@torch.no_grad()
def predicted(head, **changes):
    """Detections of each image of a batch, which ``changes`` make another one."""
    samples, rpn = batch(**changes)
    return head.eval().predict(pyramid(), rpn, samples, rescale=True)


def total(losses):
    return sum(value.sum() for name, value in losses.items() if "loss" in name)


def losses_and_gradients(head, x, samples, rpn, seed=0):
    """Losses, and gradients by parameter name, of one training step."""
    head.train()
    head.zero_grad()
    np.random.seed(seed)
    torch.manual_seed(seed)
    losses = head.loss(x, rpn, samples)
    total(losses).backward()
    grads = {name: p.grad for name, p in head.named_parameters() if p.requires_grad}
    return {name: value.detach() for name, value in losses.items()}, grads
