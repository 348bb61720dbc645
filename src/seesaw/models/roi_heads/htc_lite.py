"""HTC-Lite: a cascade of box heads, one mask head, and a global context vector.

Paper, supplementary: the semantic branch of HTC becomes a context encoder whose vector is added to
the RoI features of the box and mask heads, only the last mask head is kept, and the box and mask
branches are not interleaved (Tables A1 and A2).
"""

import torch
from mmdet.models.roi_heads import CascadeRoIHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from torch import Tensor, nn

from seesaw.models.mask_heads.class_indexed import select_class
from seesaw.models.roi_heads.federated_context import FederatedContextHead
from seesaw.models.roi_heads.standard import ClassIndexedRoIHead


@MODELS.register_module()
class HTCLiteRoIHead(ClassIndexedRoIHead, CascadeRoIHead):
    """RoI head of HTC-Lite, with optional mask scoring.

    Training: context loss; for every stage assign, sample, box loss times its stage weight, refine;
    then the mask loss on the positives of the last stage. Inference: refine through all stages
    (class logits averaged), NMS, one pass of the mask head on the final boxes. With all else equal
    the losses are those of mmdet's ``SCNetRoIHead`` without semantic branch and feature relay.

    ``loss``, ``predict`` and ``forward`` append the context vector (N, C, 1, 1) to the feature
    pyramid as one more level (:meth:`with_context`); every method below them gets that pyramid.
    RoI extractors read the first ``num_inputs`` levels, so they do not see it.

    Subclasses may override :meth:`_bbox_forward` and :meth:`add_context`. A box head that regresses
    from translated boxes P + t may return ``bbox_pred`` relative to P, i.e. with t / (size x std)
    added to its first two deltas: the boxes decoded and the loss are then the same, and targets,
    ``refine_bboxes``, ``_refine_roi`` and ``predict_by_feat`` stay as they are.

    Args:
        glbctx_head: config of the context encoder (mmdet's ``GlobalContextHead`` or
            ``FederatedContextHead``); None leaves the context out.
        mask_iou_head: config of a mask scoring head (``SeparateMaskIoUHead``); None scores masks
            by their class score.
        mask_loss_weight: weight of ``loss_mask``; 1.75, the sum of the stage weights, is SCNet's.
        context_level: pyramid level that the context encoder reads; -1 is P6, -2 P5.
        **kwargs: as ``CascadeRoIHead``, with one ``mask_roi_extractor`` and one ``mask_head``,
            dense or class-indexed.
    """

    def __init__(
        self,
        *,
        glbctx_head: dict | None = None,
        mask_iou_head: dict | None = None,
        mask_loss_weight: float = 1.0,
        context_level: int = -1,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.glbctx_head = MODELS.build(glbctx_head) if glbctx_head else None
        self.mask_iou_head = MODELS.build(mask_iou_head) if mask_iou_head else None
        self.mask_loss_weight = mask_loss_weight
        self.context_level = context_level

    def init_mask_head(self, mask_roi_extractor: dict, mask_head: dict) -> None:
        """Build the one mask head, instead of one per stage."""
        self.mask_roi_extractor = MODELS.build(mask_roi_extractor)
        self.mask_head = MODELS.build(mask_head)

    def with_context(self, x: tuple[Tensor]) -> tuple[Tensor]:
        """Append the context vector (N, C, 1, 1) to the pyramid ``x`` (if there is an encoder)."""
        return (*x, self._encode_context(x)[1]) if self.glbctx_head else tuple(x)

    def _encode_context(self, x: tuple[Tensor]) -> tuple[Tensor, Tensor]:
        """Class logits (N, num_classes) and context vector (N, C, 1, 1) of the images."""
        return self.glbctx_head([x[self.context_level]])

    def add_context(self, roi_feats: Tensor, x: tuple[Tensor], rois: Tensor) -> Tensor:
        """Add to RoI features (n, C, h, w) the context vector of each RoI's image.

        Args:
            roi_feats: (n, C, h, w).
            x: pyramid from :meth:`with_context`.
            rois: (n, 5), image index first.
        """
        return roi_feats + x[-1][rois[:, 0].long()] if self.glbctx_head else roi_feats

    def extract_roi_feats(self, extractor: nn.Module, x: tuple[Tensor], rois: Tensor) -> Tensor:
        """RoI features (n, C, h, w) of ``rois`` (n, 5) with the context added."""
        return self.add_context(extractor(x[: extractor.num_inputs], rois), x, rois)

    def _bbox_forward(self, stage: int, x: tuple[Tensor], rois: Tensor) -> dict:
        """Box head of one stage: ``cls_score``, ``bbox_pred`` and ``bbox_feats`` of ``rois``."""
        bbox_feats = self.extract_roi_feats(self.bbox_roi_extractor[stage], x, rois)
        cls_score, bbox_pred = self.bbox_head[stage](bbox_feats)
        return dict(cls_score=cls_score, bbox_pred=bbox_pred, bbox_feats=bbox_feats)

    def mask_branch(self, x: tuple[Tensor], rois: Tensor, labels: Tensor) -> dict:
        """Mask logits, and predicted mask IoUs, of ``rois`` (n, 5) as classes ``labels`` (n,).

        Returns:
            ``mask_preds`` (n, h, w) logits of each RoI's class, ``head_preds`` as the mask head
            returned them (n, C or 1, h, w), and with mask scoring ``mask_ious`` (n, C).
        """
        feats = self.extract_roi_feats(self.mask_roi_extractor, x, rois)
        with self.class_indexed(labels):
            head_preds = self.mask_head(feats)
        results = dict(mask_preds=select_class(head_preds, labels), head_preds=head_preds)
        if self.mask_iou_head:
            results["mask_ious"] = self.mask_iou_head(feats, results["mask_preds"])
        return results

    def loss(self, x: tuple[Tensor], rpn_results_list: list, batch_data_samples: list) -> dict:
        """Losses ``loss_glbctx``, ``s{0,1,2}.*`` of the box heads and ``s2.loss_mask[_iou]``."""
        losses = {}
        if self.glbctx_head:
            logits, context = self._encode_context(x)
            labels = [sample.gt_instances.labels for sample in batch_data_samples]
            judged: tuple = ()
            if isinstance(self.glbctx_head, FederatedContextHead):
                judged = ([sample.absent_labels for sample in batch_data_samples],)
            losses["loss_glbctx"] = self.glbctx_head.loss(logits, labels, *judged)
            x = (*x, context)
        return losses | super().loss(x, rpn_results_list, batch_data_samples)

    def mask_loss(
        self, stage: int, x: tuple[Tensor], sampling_results: list, batch_gt_instances: list
    ) -> dict:
        """Mask losses after the last stage; none before."""
        if stage < self.num_stages - 1:
            return dict(loss_mask={})
        rois = bbox2roi([result.pos_priors for result in sampling_results])
        labels = torch.cat([result.pos_gt_labels for result in sampling_results])
        results = self.mask_branch(x, rois, labels)
        cfg = self.train_cfg[stage]
        loss = self.mask_head.loss_and_target(
            results["head_preds"], sampling_results, batch_gt_instances, cfg
        )
        losses = dict(loss_mask=loss["loss_mask"]["loss_mask"] * self.mask_loss_weight)
        if self.mask_iou_head:
            losses |= self.mask_iou_head.loss_and_target(
                select_class(results["mask_ious"], labels),
                results["mask_preds"],
                loss["mask_targets"],
                sampling_results,
                batch_gt_instances,
                cfg,
            )
        # CascadeRoIHead.loss multiplies by the weight of the stage, which is the box head's alone.
        weight = self.stage_loss_weights[stage]
        return dict(loss_mask={name: value / weight for name, value in losses.items()})

    def predict(self, x: tuple[Tensor], *args, **kwargs) -> list:
        """As ``CascadeRoIHead``; with mask scoring results also hold ``mask_scores`` (n,)."""
        return super().predict(self.with_context(x), *args, **kwargs)

    def predict_mask(
        self, x: tuple[Tensor], batch_img_metas: list, results_list: list, rescale: bool = False
    ) -> list:
        """Add ``masks`` (n, H, W), and ``mask_scores`` (n,), to the boxes of every image."""
        rois = bbox2roi([results.bboxes for results in results_list])
        counts = [len(results) for results in results_list]
        branch = self.mask_branch(x, rois, torch.cat([r.labels for r in results_list]))
        results_list = self.mask_head.predict_by_feat(
            branch["head_preds"].split(counts),
            results_list,
            batch_img_metas,
            self.test_cfg,
            rescale,
        )
        if self.mask_iou_head:
            self.mask_iou_head.predict_by_feat(branch["mask_ious"].split(counts), results_list)
        return results_list

    def forward(self, x: tuple[Tensor], rpn_results_list: list, batch_data_samples: list) -> tuple:
        """Tensor mode (cost counting): class scores, box deltas and mask logits of class 0."""
        x = self.with_context(x)
        proposals = [results.bboxes for results in rpn_results_list]
        metas = [sample.metainfo for sample in batch_data_samples]
        counts = tuple(map(len, proposals))
        rois, cls_scores, bbox_preds = self._refine_roi(x, bbox2roi(proposals), metas, counts)
        rois = torch.cat(rois)
        labels = rois.new_zeros(len(rois), dtype=torch.long)
        masks = self.mask_branch(x, rois, labels)["mask_preds"].split(counts)
        return cls_scores, bbox_preds, masks
