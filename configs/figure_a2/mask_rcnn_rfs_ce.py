"""Mask R-CNN, repeat factor sampler, cross-entropy (supplementary, Figure A2).

Paper: AP 25.5, AP_r 16.6, AP_c 24.5, AP_f 30.6, AP_box 26.6. Cost: about 217 V100-hours.
"""

_base_ = "./mask_rcnn_random_ce.py"
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ClassBalancedDataset",
        oversample_thr=1e-3,
        dataset=_base_.train_dataset,
    )
)
