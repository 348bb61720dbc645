"""Cascade Mask R-CNN, repeat factor sampler, Seesaw Loss (supplementary, Figure A2).

Paper: AP 29.3, AP_r 21.7, AP_c 29.2, AP_f 32.8, AP_box 32.8. Cost: about 295 V100-hours.
"""

_base_ = ["./cascade_rfs_ce.py", "../_base_/loss_seesaw.py"]
model = _base_.model
for head in model.roi_head.bbox_head:
    del head.loss_cls  # replaced, not merged
    head.update(_base_.classifier)
del head
