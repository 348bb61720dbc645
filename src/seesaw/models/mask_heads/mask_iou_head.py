"""Mask scoring: predict the IoU of a mask, and rank masks by class score times that IoU."""

import torch
from mmdet.models.roi_heads.mask_heads import MaskIoUHead
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from torch import Tensor

from seesaw.errors import UserError

THRESHOLDS = ("prob05", "logit05")


@MODELS.register_module()
class SeparateMaskIoUHead(MaskIoUHead):
    """``MaskIoUHead`` (Mask Scoring R-CNN) with box and mask scores kept apart.

    Differs from ``mmdet/models/roi_heads/mask_heads/maskiou_head.py`` in two ways.

    * The IoU target binarises the predicted mask at probability ``mask_thr_binary``; mmdet compares
      the logit with it, which is a probability of 0.622 for 0.5. The original implementation
      (zjhuang22/maskscoring_rcnn) binarises at logit 0.
    * ``predict_by_feat`` writes ``mask_scores`` and leaves ``scores`` alone; mmdet multiplies the
      IoU into ``scores`` so that box AP ranks by mask quality (mmdet#10978). mmdet's metrics read
      ``mask_scores`` for segm where present.

    Args:
        target_threshold: ``prob05`` as above, or ``logit05`` for mmdet's target.
        **kwargs: as ``MaskIoUHead``.

    Raises:
        UserError: unknown ``target_threshold``.
    """

    def __init__(self, target_threshold: str = "prob05", **kwargs) -> None:
        if target_threshold not in THRESHOLDS:
            raise UserError(
                f"mask_iou_head.target_threshold is {target_threshold!r}: use one of {THRESHOLDS}."
            )
        super().__init__(**kwargs)
        self.target_threshold = target_threshold

    def get_targets(
        self,
        sampling_results: list,
        batch_gt_instances: list,
        mask_preds: Tensor,
        mask_targets: Tensor,
        rcnn_train_cfg: dict,
    ) -> Tensor:
        """IoU (num_pos,) of mask logits (num_pos, h, w) with the whole ground-truth masks.

        ``rcnn_train_cfg.mask_thr_binary`` defaults to 0.5: cascade configurations lack it.
        """
        cfg = ConfigDict(rcnn_train_cfg)
        cfg.setdefault("mask_thr_binary", 0.5)
        if self.target_threshold == "prob05":
            mask_preds = mask_preds.sigmoid()
        return super().get_targets(
            sampling_results, batch_gt_instances, mask_preds, mask_targets, cfg
        )

    def predict_by_feat(self, mask_iou_preds: tuple[Tensor], results_list: list) -> list:
        """Write ``mask_scores`` (n,) = class score x predicted IoU into each image's results.

        Args:
            mask_iou_preds: per image (n, C).
            results_list: per image ``InstanceData`` with ``scores`` and ``labels`` (n,).
        """
        for results, ious in zip(results_list, mask_iou_preds, strict=True):
            rows = torch.arange(len(results.labels), device=results.labels.device)
            results.mask_scores = results.scores * ious[rows, results.labels]
        return results_list
