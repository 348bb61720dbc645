"""Cascade Mask R-CNN, random sampler, Balanced Group Softmax (supplementary, Figure A2).

Paper: AP 27.9, AP_r 19.6, AP_c 27.7, AP_f 31.6, AP_box 31.5. Cost: about 238 V100-hours.
"""

_base_ = ["./cascade_random_ce.py", "../_base_/loss_bags.py"]
model = _base_.model
for head in model.roi_head.bbox_head:
    del head.loss_cls  # replaced, not merged
    head.update(_base_.classifier)
del head
