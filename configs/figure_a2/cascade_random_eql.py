"""Cascade Mask R-CNN, random sampler, Equalization Loss (supplementary, Figure A2).

Paper: AP 24.3, AP_r 5.1, AP_c 25.3, AP_f 31.7, AP_box 27.3. Cost: about 238 V100-hours.
"""

_base_ = ["./cascade_random_ce.py", "../_base_/loss_eql.py"]
model = _base_.model
for head in model.roi_head.bbox_head:
    del head.loss_cls  # replaced, not merged
    head.update(_base_.classifier)
del head
