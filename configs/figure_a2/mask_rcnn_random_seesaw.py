"""Mask R-CNN, random sampler, Seesaw Loss (supplementary, Figure A2).

Paper: AP 26.6, AP_r 18.1, AP_c 25.8, AP_f 31.2, AP_box 27.4. Cost: about 176 V100-hours.
"""

_base_ = ["./mask_rcnn_random_ce.py", "../_base_/loss_seesaw.py"]
model = _base_.model
del model.roi_head.bbox_head.loss_cls  # replaced, not merged
model.roi_head.bbox_head.update(_base_.classifier)
