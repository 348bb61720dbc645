"""mmdet's released Mask R-CNN R50 with Seesaw Loss: evaluated, not trained here.

Main paper, section 4.1; expected values in configs/zoo.yaml. Cost: about 1.3 V100-hours for the
checkpoints of both samplers.
"""

_base_ = ["../table_a1/a01_mask_rcnn.py", "../_base_/loss_seesaw.py"]
model = _base_.model
del model.roi_head.bbox_head.loss_cls  # replaced, not merged
model.roi_head.bbox_head.update(_base_.classifier)
