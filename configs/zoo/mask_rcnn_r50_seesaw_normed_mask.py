"""The same with a normalised mask predictor ("Norm Mask", main paper, section 4.1).

Expected values in configs/zoo.yaml. Cost: about 1.5 V100-hours for the checkpoints of both
samplers.
"""

_base_ = "./mask_rcnn_r50_seesaw.py"
model = dict(roi_head=dict(mask_head=dict(predictor_cfg=dict(type="NormedConv2d"))))
