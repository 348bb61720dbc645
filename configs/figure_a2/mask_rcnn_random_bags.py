"""Mask R-CNN, random sampler, Balanced Group Softmax (supplementary, Figure A2).

Paper: AP 25.6, AP_r 17.3, AP_c 25.0, AP_f 30.1, AP_box 26.4. Cost: about 176 V100-hours.
"""

_base_ = ["./mask_rcnn_random_ce.py", "../_base_/loss_bags.py"]
model = _base_.model
del model.roi_head.bbox_head.loss_cls  # replaced, not merged
model.roi_head.bbox_head.update(_base_.classifier)
custom_hooks = []  # gradients.json is of cross-entropy and Seesaw Loss
