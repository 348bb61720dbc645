"""Cascade Mask R-CNN, repeat factor sampler, cross-entropy (supplementary, Figure A2).

Paper: AP 27.0, AP_r 16.6, AP_c 26.7, AP_f 32.0, AP_box 30.3. Cost: about 295 V100-hours.
"""

_base_ = "./cascade_random_ce.py"
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ClassBalancedDataset",
        oversample_thr=1e-3,
        dataset=_base_.train_dataset,
    )
)
