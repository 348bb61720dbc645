"""Cascade Mask R-CNN, random sampler, cross-entropy (supplementary, Figure A2).

ResNet-101-FPN, 2x; no normalised mask predictor.

Paper: AP 22.6, AP_r 2.4, AP_c 22.0, AP_f 32.2, AP_box 25.5. Cost: about 238 V100-hours.
"""

_base_ = [
    "../_base_/cascade_mask_rcnn.py",
    "../_base_/lvis_v1.py",
    "../_base_/schedule_2x.py",
    "../_base_/runtime.py",
]
model = dict(
    backbone=dict(depth=101, init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet101"))
)
