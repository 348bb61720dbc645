"""Cascade Mask R-CNN's RoI head (Table A2)."""

from mmdet.models.roi_heads import CascadeRoIHead
from mmdet.registry import MODELS

from seesaw.models.roi_heads.standard import ClassIndexedRoIHead


@MODELS.register_module()
class ClassIndexedCascadeRoIHead(ClassIndexedRoIHead, CascadeRoIHead):
    """``CascadeRoIHead`` for dense and class-indexed mask heads, usable on flipped views.

    The masks of all stages are averaged as probabilities, as upstream.
    """
