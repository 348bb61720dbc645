"""Mask R-CNN, ResNet-50-FPN, for LVIS v1: class-specific boxes, 300 detections an image."""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=1203),
        mask_head=dict(num_classes=1203)),
    # mmdet's released LVIS configs; the main paper's text says 1e-3
    test_cfg=dict(rcnn=dict(score_thr=1e-4, max_per_img=300)))
