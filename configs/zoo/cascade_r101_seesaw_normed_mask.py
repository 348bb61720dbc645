"""The same with a normalised mask predictor ("Norm Mask", main paper, section 4.1).

Expected values in configs/zoo.yaml. Cost: about 2.2 V100-hours for the checkpoints of both
samplers.
"""

_base_ = "./cascade_r101_seesaw.py"
model = _base_.model
heads = model.roi_head.mask_head
for head in heads if isinstance(heads, list) else [heads]:
    head.update(predictor_cfg=dict(type="NormedConv2d"))
del head, heads
