"""Dual-head classification, the RoI head: trains and averages the second classifiers."""

from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from torch import Tensor

from seesaw.models.roi_heads.htc_lite import HTCLiteRoIHead
from seesaw.models.roi_heads.tsd import TSDHTCLiteRoIHead


@MODELS.register_module()
class DualTSDHTCLiteRoIHead(TSDHTCLiteRoIHead):
    """TSD RoI head with :class:`DualTSDBBoxHead` in every stage (Sec. 4.2).

    Training assigns, samples and refines as before, with the frozen regression; only the losses of
    the new classifiers are computed, with the stages' weights. Prediction averages the scores of
    both classifiers; boxes and masks come from the frozen model. Used inside
    :class:`DualHeadCascadeRCNN`, which freezes.
    """

    def _bbox_forward(self, stage: int, x: tuple[Tensor], rois: Tensor) -> dict:
        """As TSD's, with ``dual_score`` (n, C + 2) and ``cls_score`` ready to be averaged."""
        results, head = super()._bbox_forward(stage, x, rois), self.bbox_head[stage]
        results["dual_score"] = head.forward_dual(results["cls_feats"])
        scores = head.loss_cls.stage_scores(results["cls_score"], results["dual_score"])
        return results | dict(cls_score=scores)

    def bbox_loss(self, stage: int, x: tuple[Tensor], sampling_results: list) -> dict:
        """Losses of the new classifier of one stage, and what the refinement needs."""
        head, rois = self.bbox_head[stage], bbox2roi([res.priors for res in sampling_results])
        results = self._bbox_forward(stage, x, rois)
        targets = head.get_targets(sampling_results, self.train_cfg[stage])
        losses = head.dual_loss(results["dual_score"], *targets[:2])
        return results | dict(rois=rois, bbox_targets=targets, loss_bbox=losses)

    def mask_loss(self, *args) -> dict:
        """Return no losses: the mask branch is frozen."""
        return dict(loss_mask={})

    def loss(self, x: tuple[Tensor], *args) -> dict[str, Tensor]:
        """Losses ``s<stage>.dual_*``; the frozen context encoder has none."""
        return super(HTCLiteRoIHead, self).loss(self.with_context(x), *args)
