"""+ Dual-head classification, finetuned with repeat factor sampling, 1x (section 4.2).

Starts from a10's weights, all frozen; a new classifier per stage is trained, scores are averaged.

Paper: AP 37.3 (+0.5), AP_r 26.4, AP_c 36.3, AP_f 43.1, AP_box 40.6 (+0.8).
Cost: about 368 V100-hours.
"""

_base_ = "./a10_seesaw.py"
schedule = dict(epochs=12, milestones=[8, 11])
model = _base_.model
model.type = "DualHeadCascadeRCNN"
model.roi_head.type = "DualTSDHTCLiteRoIHead"
for head in model.roi_head.bbox_head:
    head.type = "DualTSDBBoxHead"
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ClassBalancedDataset",
        oversample_thr=1e-3,
        dataset=_base_.train_dataset,
    )
)
del head
