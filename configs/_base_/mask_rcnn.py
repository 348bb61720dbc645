"""Mask R-CNN, ResNet-50-FPN, for LVIS v1: class-specific boxes, 300 detections an image.

The head types compute what mmdet's compute, without its cost in the number of classes: one mask
channel an RoI instead of 1,203, and NMS that stops at the 300 best.
"""

_base_ = "mmdet::_base_/models/mask-rcnn_r50_fpn.py"
model = dict(
    roi_head=dict(
        type="ClassIndexedStandardRoIHead",
        bbox_head=dict(type="LazyNMSShared2FCBBoxHead", num_classes=1203),
        mask_head=dict(type="ClassIndexedFCNMaskHead", num_classes=1203, predictor_rate=1.0),
    ),
    # mmdet's released LVIS configs; the main paper's text says 1e-3
    test_cfg=dict(rcnn=dict(score_thr=1e-4, max_per_img=300)),
)
