"""+ Stronger neck: enhanced Feature Pyramid Grids (supplementary, section 4.2).

DCNv2 after each upsampling, CARAFE++ for each downsampling.

Paper: AP 27.0 (+0.5), AP_r 3.5, AP_c 25.8, AP_f 38.6, AP_box 29.1 (+1.0).
Cost: about 1,739 V100-hours.
"""

_base_ = "./a07_augmentation.py"
model = dict(
    # FPG upsamples by two down to stride 64
    data_preprocessor=dict(pad_size_divisor=64),
    neck=dict(type="EnhancedFPG", stack_times=9),
)
