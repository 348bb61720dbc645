"""Mask R-CNN: the baseline (supplementary, section 4.2).

ResNet-50-FPN, multi-scale training, random sampler, 2x.

Paper: AP 18.7, AP_r 1.0, AP_c 16.1, AP_f 29.4, AP_box 20.1. Cost: about 139 V100-hours.
"""

_base_ = [
    "../_base_/mask_rcnn.py",
    "../_base_/lvis_v1.py",
    "../_base_/schedule_2x.py",
    "../_base_/runtime.py",
]
