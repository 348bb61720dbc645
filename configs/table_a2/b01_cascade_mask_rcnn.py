"""Cascade Mask R-CNN (supplementary, Table A2).

ResNet-50-FPN, repeat factor sampler, 1x.

Paper: AP 24.3, AP_r 13.7, AP_c 23.8, AP_f 29.6, AP_box 27.2. Cost: about 123 V100-hours.
"""

_base_ = [
    "../_base_/cascade_mask_rcnn.py",
    "../_base_/lvis_v1.py",
    "../_base_/schedule_1x.py",
    "../_base_/runtime.py",
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ClassBalancedDataset",
        oversample_thr=1e-3,
        dataset=_base_.train_dataset,
    )
)
