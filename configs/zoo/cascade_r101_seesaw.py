"""mmdet's released Cascade Mask R-CNN R101 with Seesaw Loss: evaluated, not trained here.

Main paper, section 4.1; expected values in configs/zoo.yaml. Cost: about 2.2 V100-hours for the
checkpoints of both samplers.
"""

_base_ = "../figure_a2/cascade_random_seesaw.py"
