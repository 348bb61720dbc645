"""Mask R-CNN, random sampler, cross-entropy (supplementary, Figures A1 and A2).

ResNet-101-FPN, 2x; no normalised mask predictor.

Paper: AP 20.6, AP_r 0.8, AP_c 19.3, AP_f 30.7, AP_box 21.7. Cost: about 176 V100-hours.
"""

_base_ = ["../table_a1/a01_mask_rcnn.py", "../_base_/gradient_ratio.py"]
model = dict(
    backbone=dict(depth=101, init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet101"))
)
