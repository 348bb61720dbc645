"""The box head of the rungs with SyncBN, whose numbers of layers the config sets."""

from mmdet.models.roi_heads.bbox_heads import ConvFCBBoxHead
from mmdet.registry import MODELS

from seesaw.models.bbox_heads.lazy_nms import LazyNMSMixin


@MODELS.register_module()
class LazyNMSConvFCBBoxHead(LazyNMSMixin, ConvFCBBoxHead):
    """ConvFCBBoxHead with the lazy exact NMS; weights and training are unchanged."""
