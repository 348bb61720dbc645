"""Cascade Mask R-CNN, repeat factor sampler, Balanced Group Softmax (supplementary, Figure A2).

Paper: AP 27.0, AP_r 16.9, AP_c 26.9, AP_f 31.7, AP_box 30.2. Cost: about 295 V100-hours.
"""

_base_ = ["./cascade_rfs_ce.py", "../_base_/loss_bags.py"]
model = _base_.model
for head in model.roi_head.bbox_head:
    del head.loss_cls  # replaced, not merged
    head.update(_base_.classifier)
del head
