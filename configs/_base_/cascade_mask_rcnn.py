"""Cascade Mask R-CNN, ResNet-50-FPN, for LVIS v1: three stages, class-agnostic boxes."""

_base_ = "mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py"
model = _base_.model
model.roi_head.type = "ClassIndexedCascadeRoIHead"
for head in model.roi_head.bbox_head:
    head.update(type="LazyNMSShared2FCBBoxHead", num_classes=1203)
model.roi_head.mask_head.update(
    type="ClassIndexedFCNMaskHead", num_classes=1203, predictor_rate=1.0
)
# mmdet's released LVIS configs; the main paper's text says 1e-3
model.test_cfg.rcnn.update(score_thr=1e-4, max_per_img=300)
del head
