"""Box heads whose prediction uses the lazy exact NMS."""

from mmdet.models.roi_heads.bbox_heads import ConvFCBBoxHead, Shared2FCBBoxHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from seesaw.models.ops.multiclass_nms import lazy_multiclass_nms


class LazyNMSMixin:
    """Mixin before a ``BBoxHead`` subclass that replaces its final ``multiclass_nms``.

    The head still does decoding, activation and rescaling, and returns their results directly when
    it is given no test configuration.
    """

    def _predict_by_feat_single(
        self,
        roi: Tensor,
        cls_score: Tensor,
        bbox_pred: Tensor,
        img_meta: dict,
        rescale: bool = False,
        rcnn_test_cfg: ConfigDict | None = None,
    ) -> InstanceData:
        """Detections of one image; arguments and result as in ``BBoxHead``."""
        lazy = rcnn_test_cfg is not None and len(roi) > 0
        results = super()._predict_by_feat_single(
            roi, cls_score, bbox_pred, img_meta, rescale, None if lazy else rcnn_test_cfg
        )
        if rcnn_test_cfg is None or not lazy:
            return results
        dets, labels = lazy_multiclass_nms(
            results.bboxes,
            results.scores,
            rcnn_test_cfg.score_thr,
            rcnn_test_cfg.nms,
            rcnn_test_cfg.max_per_img,
            box_dim=self.bbox_coder.encode_size,
        )
        return InstanceData(bboxes=dets[:, :-1], scores=dets[:, -1], labels=labels)


@MODELS.register_module()
class LazyNMSShared2FCBBoxHead(LazyNMSMixin, Shared2FCBBoxHead):
    """Shared2FCBBoxHead with the lazy exact NMS; weights and training are unchanged."""


@MODELS.register_module()
class LazyNMSConvFCBBoxHead(LazyNMSMixin, ConvFCBBoxHead):
    """ConvFCBBoxHead, of the rungs with SyncBN, with the lazy exact NMS."""
