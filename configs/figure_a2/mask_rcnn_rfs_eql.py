"""Mask R-CNN, repeat factor sampler, Equalization Loss (supplementary, Figure A2).

Paper: AP 26.2, AP_r 17.0, AP_c 26.2, AP_f 30.2, AP_box 27.6. Cost: about 217 V100-hours.
"""

_base_ = ["./mask_rcnn_rfs_ce.py", "../_base_/loss_eql.py"]
model = _base_.model
del model.roi_head.bbox_head.loss_cls  # replaced, not merged
model.roi_head.bbox_head.update(_base_.classifier)
custom_hooks = []  # gradients.json is of cross-entropy and Seesaw Loss
