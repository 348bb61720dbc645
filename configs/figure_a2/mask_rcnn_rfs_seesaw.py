"""Mask R-CNN, repeat factor sampler, Seesaw Loss (supplementary, Figure A2).

Paper: AP 27.6, AP_r 20.6, AP_c 27.3, AP_f 31.1, AP_box 28.9. Cost: about 217 V100-hours.
"""

_base_ = ["./mask_rcnn_rfs_ce.py", "../_base_/loss_seesaw.py"]
model = _base_.model
del model.roi_head.bbox_head.loss_cls  # replaced, not merged
model.roi_head.bbox_head.update(_base_.classifier)
