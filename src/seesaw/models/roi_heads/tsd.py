"""TSD in all stages of HTC-Lite (paper, supplementary, Sec. 4.2)."""

from mmdet.registry import MODELS
from torch import Tensor

from seesaw.models.ops.deform_roi_pool import deform_roi_extract
from seesaw.models.roi_heads.htc_lite import HTCLiteRoIHead


@MODELS.register_module()
class TSDHTCLiteRoIHead(HTCLiteRoIHead):
    """HTC-Lite whose box heads are :class:`TSDBBoxHead`.

    Stage s pools F at its proposals P, then F_c and F_r at the places that the head predicts, with
    the pyramid level, bins and sampling ratio of F. `_bbox_forward` returns deltas relative to P
    (``TSDBBoxHead.translate``), so the next stage starts from boxes decoded from P_r and the final
    boxes are decoded from the last stage's P_r. Inference skips the sibling head.

    Args:
        context_in_tsd: Add the context vector to F_c and F_r too; False adds it to F only.
        **kwargs: As :class:`HTCLiteRoIHead`. ``roi_layer`` of the box RoI extractor is an aligned
            RoIAlign with ``sampling_ratio=2``, the official value.
    """

    def __init__(self, *, context_in_tsd: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.context_in_tsd = context_in_tsd

    def _bbox_forward(self, stage: int, x: tuple[Tensor], rois: Tensor) -> dict:
        """Outputs of one stage for ``rois`` (n, 5).

        Returns:
            ``cls_score`` and ``bbox_pred`` (relative to ``rois``) of the TSD branches, features
            ``bbox_feats`` F and ``cls_feats`` F_c, and in training ``sibling_cls_score`` and
            ``sibling_bbox_pred``.
        """
        head, extractor = self.bbox_head[stage], self.bbox_roi_extractor[stage]
        feats = self.extract_roi_feats(extractor, x, rois)
        delta_r, delta_c = head.deltas(feats)
        cls_feats, reg_feats = (
            deform_roi_extract(extractor, x[: extractor.num_inputs], rois, delta, head.gamma)
            for delta in (delta_c, delta_r)
        )
        if self.context_in_tsd:
            cls_feats = self.add_context(cls_feats, x, rois)
            reg_feats = self.add_context(reg_feats, x, rois)
        cls_score, bbox_pred = head(cls_feats, reg_feats)
        results = dict(
            cls_score=cls_score,
            bbox_pred=head.translate(bbox_pred, delta_r),
            bbox_feats=feats,
            cls_feats=cls_feats,
        )
        if self.training:
            results["sibling_cls_score"], results["sibling_bbox_pred"] = head.sibling(feats)
        return results

    def bbox_loss(self, stage: int, x: tuple[Tensor], sampling_results: list) -> dict:
        """Losses of the TSD branches, the sibling head and the progressive constraints."""
        results = super().bbox_loss(stage, x, sampling_results)
        results["loss_bbox"] |= self.bbox_head[stage].extra_losses(results, sampling_results)
        return results
