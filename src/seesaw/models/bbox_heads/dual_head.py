"""Dual-head classification, the box head: a second classifier beside a trained one."""

import copy

import torch
from mmdet.registry import MODELS
from torch import Tensor

from seesaw.errors import UserError
from seesaw.models.bbox_heads.tsd_bbox_head import TSDBBoxHead
from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss


class DualHeadScores(SyncedSeesawLoss):
    """Seesaw activation that averages two classifiers over heads and stages (Sec. 4.2).

    mmdet's cascade averages over stages what the box head returns, then calls `get_activation` of
    the loss module: `stage_scores` prepares the former, `get_activation` finishes. The frozen
    classifier's sample counter stays in this module under its old key.

    Args:
        alpha: Weight of the original classifier, 1 - alpha that of the new one.
        stage_avg: ``logit`` averages logits over stages as mmdet does, ``prob`` probabilities.
        head_avg: ``prob`` averages the probabilities of the two heads, ``logit`` their logits.
        **kwargs: As :class:`SyncedSeesawLoss`.
    """

    def __init__(self, alpha: float, stage_avg: str, head_avg: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.alpha, self.stage_avg, self.head_avg = alpha, stage_avg, head_avg

    def _mix(self, original: Tensor, dual: Tensor) -> Tensor:
        return self.alpha * original + (1 - self.alpha) * dual

    def stage_scores(self, original: Tensor, dual: Tensor) -> Tensor:
        """Return the tensor to average over stages, from the logits of one stage, each (N, C + 2).

        Returns:
            Probabilities (N, C + 1), mixed logits (N, C + 2), or both logits (N, 2C + 4).
        """
        if self.head_avg == "logit":
            logits = self._mix(original, dual)
            return logits if self.stage_avg == "logit" else super().get_activation(logits)
        if self.stage_avg == "prob":
            return self._mix(super().get_activation(original), super().get_activation(dual))
        return torch.cat([original, dual], -1)

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Final probabilities (N, C + 1) from `stage_scores`, averaged over stages or not."""
        channels = cls_score.size(-1)
        if channels == self.num_classes + 1:
            return cls_score
        if channels == 2 * (self.num_classes + 2):
            return self._mix(*map(super().get_activation, cls_score.chunk(2, -1)))
        return super().get_activation(cls_score)


@MODELS.register_module()
class DualTSDBBoxHead(TSDBBoxHead):
    """TSD head with a second classifier on the features F_c (Sec. 4.2, dual-head classification).

    Args:
        loss_cls: A SyncedSeesawLoss; the new classifier gets one with a counter of its own.
        branch: ``fcs`` learns both layers and the predictor, ``predictor`` the predictor only.
        alpha: Weight of the original classifier in the averaged scores.
        stage_avg: Over stages, average ``logit`` or ``prob``.
        head_avg: Over the two heads, average ``prob`` or ``logit``.
        **kwargs: As :class:`TSDBBoxHead`; the regression must be class-agnostic, so that boxes do
            not depend on the new classifier.

    Raises:
        UserError: ``loss_cls`` is another loss, the regression is class-specific, or ``branch``,
            ``stage_avg`` or ``head_avg`` is unknown.
    """

    def __init__(
        self,
        loss_cls: dict,
        branch: str = "fcs",
        alpha: float = 0.5,
        stage_avg: str = "logit",
        head_avg: str = "prob",
        **kwargs,
    ) -> None:
        super().__init__(loss_cls=loss_cls, **kwargs)
        if not isinstance(self.loss_cls, SyncedSeesawLoss) or not self.reg_class_agnostic:
            raise UserError(
                f"DualTSDBBoxHead got loss_cls {loss_cls['type']} and reg_class_agnostic "
                f"{self.reg_class_agnostic}: set SyncedSeesawLoss and reg_class_agnostic=True."
            )
        choices = dict(
            branch=("fcs", "predictor"), stage_avg=("logit", "prob"), head_avg=("prob", "logit")
        )
        for name, value in dict(branch=branch, stage_avg=stage_avg, head_avg=head_avg).items():
            if value not in choices[name]:
                raise UserError(
                    f"DualTSDBBoxHead got {name}={value!r}: set one of {', '.join(choices[name])}."
                )
        self.branch = branch
        options = {key: value for key, value in loss_cls.items() if key != "type"}
        self.dual_loss_cls = self.loss_cls
        self.loss_cls = DualHeadScores(alpha, stage_avg, head_avg, **options)
        if branch == "fcs":
            self.dual_cls_fcs = copy.deepcopy(self.cls_fcs)
        self.dual_fc_cls = copy.deepcopy(self.fc_cls)

    def forward_dual(self, cls_feats: Tensor) -> Tensor:
        """Logits of the new classifier, (N, C + 2), from F_c, (N, C_in, 7, 7)."""
        cls_feats = cls_feats.flatten(1)
        for fc in self.dual_cls_fcs if self.branch == "fcs" else self.cls_fcs:
            cls_feats = self.relu(fc(cls_feats))
        return self.dual_fc_cls(cls_feats)

    def dual_loss(self, cls_score: Tensor, labels: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return the new classifier's losses and accuracies by name, with the prefix ``dual_``.

        Args:
            cls_score: Logits of the new classifier, (N, C + 2).
            labels: Labels, C for background, (N,).
            weights: Label weights, (N,).
        """
        avg_factor = (weights > 0).sum().clamp(min=1)
        losses = self.dual_loss_cls(cls_score, labels, weights, avg_factor=avg_factor)
        losses = losses if isinstance(losses, dict) else {"loss_cls": losses}
        losses.update(self.dual_loss_cls.get_accuracy(cls_score, labels))
        return {f"dual_{name}": value for name, value in losses.items()}
