"""HTC-Lite (supplementary, Table A2).

ResNet-50-FPN, repeat factor sampler, 1x; box and mask heads as in Cascade Mask R-CNN.

Paper: AP 25.5, AP_r 15.0, AP_c 25.4, AP_f 30.3, AP_box 28.0. Cost: about 115 V100-hours.
"""

_base_ = ["./b01_cascade_mask_rcnn.py", "../_base_/htc_lite.py"]
model = _base_.model
model.roi_head.update(type="HTCLiteRoIHead", glbctx_head=_base_.context_encoder)
for stage in model.train_cfg.rcnn:
    stage.assigner.match_low_quality = True  # as in HTC
del stage
