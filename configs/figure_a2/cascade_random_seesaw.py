"""Cascade Mask R-CNN, random sampler, Seesaw Loss (supplementary, Figure A2).

Paper: AP 29.0, AP_r 21.1, AP_c 28.6, AP_f 33.0, AP_box 32.8. Cost: about 238 V100-hours.
"""

_base_ = ["./cascade_random_ce.py", "../_base_/loss_seesaw.py"]
model = _base_.model
for head in model.roi_head.bbox_head:
    del head.loss_cls  # replaced, not merged
    head.update(_base_.classifier)
del head
