"""Mask R-CNN, random sampler, Equalization Loss (supplementary, Figure A2).

Paper: AP 22.7, AP_r 3.7, AP_c 23.3, AP_f 30.4, AP_box 24.0. Cost: about 176 V100-hours.
"""

_base_ = ["./mask_rcnn_random_ce.py", "../_base_/loss_eql.py"]
model = _base_.model
del model.roi_head.bbox_head.loss_cls  # replaced, not merged
model.roi_head.bbox_head.update(_base_.classifier)
custom_hooks = []  # gradients.json is of cross-entropy and Seesaw Loss
