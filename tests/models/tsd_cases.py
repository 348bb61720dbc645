"""A detector small enough for unit tests, with the structure of the ladder's TSD rungs."""

import copy
import functools
import json
import logging

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

import seesaw.models.detectors.dual_head
import seesaw.models.losses.seesaw_loss
import seesaw.models.roi_heads.dual_head  # noqa: F401

logging.disable(logging.INFO)  # mmengine logs every initialised tensor

CLASSES, SIZE, CHANNELS = 4, 96, 8
CE = dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0)
SEESAW = dict(type="SyncedSeesawLoss", p=0.8, q=2.0, num_classes=CLASSES)
NORMED = dict(type="NormedLinear")
STDS = ([0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [0.033, 0.033, 0.067, 0.067])


def bbox_head(stage=0, **options):
    head = dict(
        type="TSDBBoxHead",
        in_channels=CHANNELS,
        roi_feat_size=3,
        fc_out_channels=12,
        delta_channels=6,
        num_classes=CLASSES,
        reg_class_agnostic=True,
        bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=STDS[stage]),
        loss_cls=CE,
        loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0),
    )
    return head | options


def seesaw_options():
    return dict(loss_cls=SEESAW, cls_predictor_cfg=NORMED, pc_cls=None)


def extractor(size, **options):
    return dict(
        type="SingleRoIExtractor",
        roi_layer=dict(type="RoIAlign", output_size=size, sampling_ratio=2),
        out_channels=CHANNELS,
        featmap_strides=[4, 8, 16, 32],
        **options,
    )


def roi_head(kind="TSDHTCLiteRoIHead", **options):
    return dict(
        type=kind,
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_roi_extractor=extractor(3),
        bbox_head=[bbox_head(stage, **options) for stage in range(3)],
        mask_roi_extractor=extractor(4),
        mask_head=dict(
            type="FCNMaskHead",
            num_convs=1,
            in_channels=CHANNELS,
            conv_out_channels=CHANNELS,
            num_classes=CLASSES,
            roi_feat_size=4,
        ),
        glbctx_head=dict(
            type="GlobalContextHead",
            num_convs=1,
            in_channels=CHANNELS,
            conv_out_channels=CHANNELS,
            num_classes=CLASSES,
        ),
    )


def rcnn(iou, num=16, pos_fraction=0.5, mask_size=8):
    return dict(
        assigner=dict(
            type="MaxIoUAssigner", pos_iou_thr=iou, neg_iou_thr=iou, min_pos_iou=iou,
            match_low_quality=False, ignore_iof_thr=-1,
        ),
        sampler=dict(
            type="RandomSampler", num=num, pos_fraction=pos_fraction, neg_pos_ub=-1,
            add_gt_as_proposals=True,
        ),
        mask_size=mask_size,
        pos_weight=-1,
        debug=False,
    )  # fmt: skip


def detector(kind="CascadeRCNN", roi="TSDHTCLiteRoIHead", seed=0, roi_options=None, **options):
    """Tiny detector; ``options`` go to every box head, ``roi_options`` to the RoI head."""
    register_all_modules()
    rpn = dict(nms_pre=30, max_per_img=12, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0)
    model = dict(
        type=kind,
        data_preprocessor=dict(type="DetDataPreprocessor", pad_mask=True, pad_size_divisor=32),
        backbone=dict(
            type="ResNet", depth=18, base_channels=4, stem_channels=4, frozen_stages=-1,
            norm_cfg=dict(type="BN"), norm_eval=False, style="pytorch",
        ),
        neck=dict(type="FPN", in_channels=[4, 8, 16, 32], out_channels=CHANNELS, num_outs=5),
        rpn_head=dict(
            type="RPNHead", in_channels=CHANNELS, feat_channels=CHANNELS,
            anchor_generator=dict(
                type="AnchorGenerator", scales=[8], ratios=[1.0], strides=[4, 8, 16, 32, 64]
            ),
        ),
        roi_head=roi_head(roi, **options) | (roi_options or {}),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(
                    type="MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3
                ),
                sampler=dict(
                    type="RandomSampler", num=16, pos_fraction=0.5, neg_pos_ub=-1,
                    add_gt_as_proposals=False,
                ),
                allowed_border=0, pos_weight=-1, debug=False,
            ),
            rpn_proposal=rpn,
            rcnn=[rcnn(0.5), rcnn(0.6), rcnn(0.7)],
        ),
        test_cfg=dict(
            rpn=rpn,
            rcnn=dict(
                score_thr=1e-4, nms=dict(type="nms", iou_threshold=0.5), max_per_img=20,
                mask_thr_binary=0.5,
            ),
        ),
    )  # fmt: skip
    return copy.deepcopy(_build(json.dumps(model), seed))


@functools.cache
def _build(model, seed):
    torch.manual_seed(seed)
    model = MODELS.build(ConfigDict(json.loads(model)))
    model.init_weights()
    return model


BOXES = [[[8.0, 8, 40, 56], [50, 20, 90, 80]], [[20.0, 30, 70, 90]]]
LABELS = [[0, 2], [3]]


def batch(boxes=BOXES, labels=LABELS, seed=0):
    """Two images with their ground truth."""
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for image_boxes, image_labels in zip(boxes, labels, strict=True):
        masks = torch.zeros(len(image_boxes), SIZE, SIZE, dtype=torch.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, image_boxes, strict=True):
            mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
        numbers = torch.tensor(image_labels, dtype=torch.long)
        samples.append(annotated(torch.tensor(image_boxes), numbers, masks.numpy()))
    return torch.rand(len(boxes), 3, SIZE, SIZE, generator=generator), samples


def annotated(boxes, labels, masks, **more):
    """The sample of a square image; boxes (n, 4), labels (n,), masks (n, side, side)."""
    side = masks.shape[-1]
    sizes = ("img_shape", "ori_shape", "pad_shape", "batch_input_shape")
    meta = dict.fromkeys(sizes, (side, side)) | dict(scale_factor=(1.0, 1.0)) | more
    sample = DetDataSample(metainfo=meta)
    sample.gt_instances = InstanceData(
        bboxes=boxes.view(-1, 4), labels=labels, masks=BitmapMasks(masks, side, side)
    )
    sample.ignored_instances = InstanceData(
        bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
    )
    return sample


def losses(model, images_and_samples):
    torch.manual_seed(0)
    return model.loss(*images_and_samples)


def total(loss_dict):
    """Sum as mmengine does: every value whose name holds ``loss``."""
    flat = [value for name, value in loss_dict.items() if "loss" in name]
    return sum(sum(value) if isinstance(value, list) else value for value in flat)


@torch.no_grad()
def detections(model, images_and_samples):
    model.eval()
    return [sample.pred_instances for sample in model.predict(*images_and_samples)]


def sampled(model, images_and_samples=None):
    """Pyramid with context, and the first stage's sampling results for fixed proposals."""
    images, samples = images_and_samples or batch()
    head = model.roi_head
    x = head.with_context(model.extract_feat(images))
    generator = torch.Generator().manual_seed(1)
    results = []
    for sample in samples:
        gts = sample.gt_instances
        noise = torch.rand(12, 4, generator=generator) * 8
        boxes = gts.bboxes.repeat(12, 1)[:12] + noise[: 12 if len(gts) else 0]
        corner = torch.rand(6, 2, generator=generator) * 60
        boxes = torch.cat([boxes, torch.cat([corner, corner + 25], 1)])
        priors = InstanceData(priors=boxes)
        torch.manual_seed(0)
        assigned = head.bbox_assigner[0].assign(priors, gts)
        results.append(head.bbox_sampler[0].sample(assigned, priors, gts))
    return x, results


def trained_like(model):
    """Weights large enough for scores and boxes to differ between heads."""
    generator = torch.Generator().manual_seed(3)
    for head in model.roi_head.bbox_head:
        for part in (head, head.sibling):
            noise = torch.randn(part.fc_cls.weight.shape, generator=generator)
            part.fc_cls.weight.data = noise * 0.5
            part.fc_reg.weight.data = torch.randn(part.fc_reg.weight.shape, generator=generator)
    return model


def zero_deltas(head):
    """Make P_r = P and F_c = F."""
    for mlp in (head.delta_r, head.delta_c):
        for parameter in mlp[2].parameters():
            torch.nn.init.zeros_(parameter)
