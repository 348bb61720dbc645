"""Cascade Mask R-CNN, repeat factor sampler, Equalization Loss (supplementary, Figure A2).

Paper: AP 27.1, AP_r 17.0, AP_c 27.2, AP_f 31.4, AP_box 30.4. Cost: about 295 V100-hours.
"""

_base_ = ["./cascade_rfs_ce.py", "../_base_/loss_eql.py"]
model = _base_.model
for head in model.roi_head.bbox_head:
    del head.loss_cls  # replaced, not merged
    head.update(_base_.classifier)
del head
