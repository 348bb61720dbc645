"""HTC without its semantic branch (supplementary, Table A2).

ResNet-50-FPN, repeat factor sampler, 1x. Masks of all stages are averaged, as in the paper's
time; mmdet 3.x uses the last stage's only (mmdet#10210, switch `mask_stages`).

Paper: AP 24.8, AP_r 14.5, AP_c 24.1, AP_f 30.2, AP_box 27.0. Cost: about 172 V100-hours.
"""

_base_ = "./b01_cascade_mask_rcnn.py"
model = _base_.model
model.type = "HybridTaskCascade"
for stage in model.train_cfg.rcnn:
    stage.assigner.match_low_quality = True  # the default, with which mmdet trains HTC
model.roi_head.update(
    type="HTCRoIHeadFixed", interleaved=True, mask_info_flow=True, mask_stages="mean"
)
model.roi_head.mask_head = [
    dict(model.roi_head.mask_head, type="ClassIndexedHTCMaskHead", with_conv_res=stage > 0)
    for stage in range(3)
]
del stage
