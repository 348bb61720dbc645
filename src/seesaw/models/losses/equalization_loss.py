"""Equalization Loss (EQL v1, arXiv 2003.05176), the comparison method of Figure A2.

Relates to projects/EQL/eql/fast_rcnn.py of tztztztztz/eql.detectron2 and to
mmdet/models/losses/eql.py of tztztztztz/eqlv2; mmdet 3.x ships only EQL v2, whose test scores are
wrong (mmdet#11038).
"""

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor

from seesaw.models.losses.common import CategoryCountLoss, check_num_classes, sampled


@MODELS.register_module()
class EqualizationLoss(CategoryCountLoss):
    """Sigmoid loss in which a foreground RoI does not suppress other, rare categories.

    L = 1/N sum_r sum_j w_rj BCE(z_rj, t_rj) over C channels without a background one, with
    w_rj = 1 - E(r) T(f_j) (1 - t_rj): E(r) = 1 for a foreground RoI, T(f_j) = 1 if category j
    occurs in less than ``lambda_`` of the annotated training images. N is the number of RoIs that
    count: those of label < 0 or weight 0 do not, and weights have no other effect. The classifier's
    bias starts at a prior probability: use ``PriorBiasShared2FCBBoxHead``.

    Args:
        num_classes: C, the number of categories.
        category_counts: See :func:`~seesaw.models.losses.common.load_category_counts`.
        lambda_: Image frequency below which a category is in the tail.
        loss_weight: Factor on the loss.
    """

    def __init__(
        self,
        num_classes: int,
        category_counts: str | dict,
        lambda_: float = 1.1e-3,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(num_classes, category_counts, loss_weight)
        self.lambda_ = lambda_
        total = self.counts.annotated_images
        tail = [float(count / total < lambda_) for count in self.counts.images]
        self.register_buffer("tail", torch.tensor(tail), persistent=False)

    def get_cls_channels(self, num_classes: int) -> int:
        """C channels; a UserError if the head's C is another."""
        check_num_classes(self, num_classes)
        return num_classes

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Sigmoid scores and an empty background column, (N, C) -> (N, C + 1)."""
        return F.pad(cls_score.sigmoid(), (0, 1))

    def forward(
        self,
        cls_score: Tensor,
        labels: Tensor,
        label_weights: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            cls_score: Logits, (N, C); half precision is computed in float32.
            labels: Labels in [0, C], C = background, < 0 = ignored, (N,).
            label_weights: 0 leaves the RoI out, (N,).
            avg_factor: Unused: the method divides by its number of RoIs.
            reduction_override: "none" gives the loss of each RoI, (N,), undivided; else a scalar.
        """
        cls_score = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        rows = sampled(labels, label_weights)
        index = labels.clamp(min=0)[:, None]
        targets = cls_score.new_zeros(len(labels), self.num_classes + 1)
        targets = targets.scatter_(1, index, 1.0)[:, :-1]
        foreground = (index < self.num_classes).to(cls_score.dtype)
        weights = 1 - foreground * self.tail.to(cls_score.dtype) * (1 - targets)
        weights = weights * rows[:, None]
        loss = F.binary_cross_entropy_with_logits(cls_score, targets, weights, reduction="none")
        loss = self.loss_weight * loss.sum(dim=1)
        return loss if reduction_override == "none" else loss.sum() / rows.sum().clamp(min=1)
