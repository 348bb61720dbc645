"""TSD box head: task-aware spatial disentanglement with progressive constraints."""

import torch
import torch.nn.functional as F
from mmdet.models.roi_heads.bbox_heads import ConvFCBBoxHead, Shared2FCBBoxHead
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.models.bbox_heads.lazy_nms import LazyNMSMixin


def _init_cfg(*fcs: str) -> list[dict]:
    """Predictors as every mmdet box head, fully connected layers as the official TSD code."""
    return [
        dict(type="Normal", std=0.01, override=dict(name="fc_cls")),
        dict(type="Normal", std=0.001, override=dict(name="fc_reg")),
        dict(
            type="Kaiming",
            a=1,
            mode="fan_in",
            nonlinearity="leaky_relu",
            override=[dict(name=name) for name in fcs],
        ),
    ]


def progressive_constraint(sibling: Tensor, tsd: Tensor, margin: float) -> Tensor:
    """Hinge that makes TSD beat the sibling head by a margin (TSD, progressive constraint).

    Args:
        sibling: Probability of the label, or IoU with the ground truth, of the sibling head, (N,).
            No gradient reaches it.
        tsd: The same quantity of the TSD head, (N,).
        margin: Wanted lead; capped at ``1 - sibling``, as nothing exceeds 1.

    Returns:
        Non-negative loss per entry, (N,).
    """
    sibling = sibling.detach()
    return F.relu(sibling - tsd + (1 - sibling).clamp(max=margin))


@MODELS.register_module()
class TSDBBoxHead(LazyNMSMixin, ConvFCBBoxHead):
    r"""Box head that classifies and regresses from different places (TSD, CVPR 2020; Sec. 4.2).

    With F the RoI feature of a proposal P of size (w, h)::

        F --> delta_fc --> delta_r (2):        P_r = P + gamma * (w, h) * delta_r --> F_r
                      \--> delta_c (2, 7, 7):  every bin of P moved on its own    --> F_c
        F_c --> cls_fcs --> fc_cls;   F_r --> reg_fcs --> fc_reg
        F   --> sibling (two shared layers, fc_cls, fc_reg), in training only

    P_r is a pure translation, so a delta of F_r relative to P_r is the delta plus
    ``gamma * delta_r / stds`` relative to P: same box, same loss value, same gradients. `translate`
    does this once and everything behind (loss, refinement between stages, final decoding, test-time
    augmentation) is mmdet's, on P, while the boxes are those decoded from P_r.

    Each of ``fc_cls`` and ``sibling.fc_cls`` has a loss module of its own, so Seesaw Loss counts
    samples once per classifier.

    Dropped from the official code (Sense-X/TSD, mmdet 1.x): the legacy ``+1`` widths; deformable
    PS-RoI pooling, which rounds RoIs and averages left-aligned samples (here mmcv's DeformRoIPool);
    background as label 0; one loss module for both classifiers; the zero entry that an image
    without positives adds to the means of the constraints; the lack of a TSD box loss in a batch
    without positives (unused parameters under DDP). Kept: gamma 0.1, kaiming initialisation, capped
    and detached margins, the classification constraint on all RoIs of images with a positive,
    gradients of the box losses into ``delta_r``, no clipping of P_r, pyramid level of P.

    Args:
        delta_channels: Width of the layers that predict the deltas.
        gamma: Scale of the deltas in units of the proposal's size.
        pc_cls: Margin of the constraint on classification; None removes it (Seesaw rung, Sec. 4.2).
        pc_loc: Margin of the constraint on localisation; None removes it.
        fc_out_channels: Width of the classification, regression and sibling layers.
        init_cfg: Initialisation; None for the predictors as in mmdet and the rest as in TSD's code.
        **kwargs: As :class:`mmdet.models.BBoxHead`.

    Raises:
        UserError: ``bbox_coder`` clamps centres (``add_ctr_clamp``), or ``with_avg_pool`` is set.
    """

    def __init__(
        self,
        delta_channels: int = 256,
        gamma: float = 0.1,
        pc_cls: float | None = 0.2,
        pc_loc: float | None = 0.2,
        fc_out_channels: int = 1024,
        init_cfg: list | dict | None = None,
        **kwargs,
    ) -> None:
        deltas = ("delta_fc", "delta_r", "delta_c")
        super().__init__(
            num_cls_fcs=2,
            num_reg_fcs=2,
            fc_out_channels=fc_out_channels,
            init_cfg=init_cfg or _init_cfg("cls_fcs", "reg_fcs", *deltas),
            **kwargs,
        )
        if getattr(self.bbox_coder, "add_ctr_clamp", True) or self.with_avg_pool:
            raise UserError(
                f"TSDBBoxHead translates proposals and cannot use bbox_coder "
                f"{type(self.bbox_coder).__name__} with add_ctr_clamp or with_avg_pool: set "
                "DeltaXYWHBBoxCoder(add_ctr_clamp=False) and with_avg_pool=False."
            )
        self.gamma, self.pc_cls, self.pc_loc = gamma, pc_cls, pc_loc

        def mlp(out_features: int) -> nn.Sequential:
            hidden = nn.Linear(delta_channels, delta_channels)
            return nn.Sequential(hidden, nn.ReLU(), nn.Linear(delta_channels, out_features))

        inputs = self.in_channels * self.roi_feat_area
        self.delta_fc = nn.Sequential(nn.Linear(inputs, delta_channels), nn.ReLU())
        self.delta_r = mlp(2)
        self.delta_c = mlp(2 * self.roi_feat_area)
        self.sibling = Shared2FCBBoxHead(
            fc_out_channels=fc_out_channels, init_cfg=_init_cfg("shared_fcs"), **kwargs
        )

    def deltas(self, feats: Tensor) -> tuple[Tensor, Tensor]:
        """Predict where to look, in units of ``gamma * (w, h)`` of the proposal.

        Args:
            feats: RoI features of the proposals, (N, C, 7, 7).

        Returns:
            Offsets for regression, (N, 2, 7, 7), equal in all bins, and for classification,
            (N, 2, 7, 7), one per bin; channel 0 is x, channel 1 is y.
        """
        hidden = self.delta_fc(feats.flatten(1))
        delta_r = self.delta_r(hidden)[:, :, None, None].expand(-1, -1, *self.roi_feat_size)
        return delta_r, self.delta_c(hidden).view(-1, 2, *self.roi_feat_size)

    def forward(self, cls_feats: Tensor, reg_feats: Tensor) -> tuple[Tensor, Tensor]:
        """Classify F_c and regress from F_r.

        Args:
            cls_feats: Features of the deformed proposals, (N, C, 7, 7).
            reg_feats: Features of the translated proposals, (N, C, 7, 7).

        Returns:
            Logits (N, C + 1 or the loss's channels) and deltas (N, 4 or 4C) relative to P_r.
        """
        cls_feats, reg_feats = cls_feats.flatten(1), reg_feats.flatten(1)
        for cls_fc, reg_fc in zip(self.cls_fcs, self.reg_fcs, strict=True):
            cls_feats, reg_feats = self.relu(cls_fc(cls_feats)), self.relu(reg_fc(reg_feats))
        return self.fc_cls(cls_feats), self.fc_reg(reg_feats)

    def translate(self, bbox_pred: Tensor, delta_r: Tensor) -> Tensor:
        """Express deltas relative to P_r as deltas relative to P; differentiable in both.

        Args:
            bbox_pred: Deltas (N, 4) or (N, 4C).
            delta_r: Offsets for regression, (N, 2, 7, 7).

        Returns:
            Deltas of the shape of ``bbox_pred``.
        """
        shift = self.gamma * delta_r[:, :, 0, 0] / bbox_pred.new_tensor(self.bbox_coder.stds[:2])
        return bbox_pred + F.pad(shift, (0, 2)).repeat(1, bbox_pred.size(1) // 4)

    def extra_losses(self, results: dict, sampling_results: list) -> dict[str, Tensor]:
        """Losses of the sibling head and the progressive constraints.

        Args:
            results: ``rois`` (N, 5), ``bbox_targets`` of mmdet, ``cls_score`` and ``bbox_pred`` of
                the TSD branches relative to P, ``sibling_cls_score``, ``sibling_bbox_pred``.
            sampling_results: Sampling results of mmdet, one per image.

        Returns:
            mmdet's keys with the prefix ``sibling_``, then ``loss_pc_cls`` and ``loss_pc_loc``,
            each unless its margin is None.
        """
        rois, labels = results["rois"], results["bbox_targets"][0]
        cls_score, bbox_pred = results["sibling_cls_score"], results["sibling_bbox_pred"]
        losses = self.sibling.loss(cls_score, bbox_pred, rois, *results["bbox_targets"])
        losses = {f"sibling_{name}": value for name, value in losses.items()}
        positive = (labels < self.num_classes).nonzero()[:, 0]  # a GPU's host waits only here
        if self.pc_cls is not None:
            hinge = progressive_constraint(
                self._label_probability(cls_score, labels),
                self._label_probability(results["cls_score"], labels),
                self.pc_cls,
            )
            counted = torch.isin(rois[:, 0], rois[positive, 0])
            losses["loss_pc_cls"] = (hinge * counted).sum() / counted.sum().clamp(min=1)
        if self.pc_loc is not None:
            gts = torch.cat([res.pos_gt_bboxes for res in sampling_results])
            hinge = progressive_constraint(
                self._iou(rois, bbox_pred, labels, positive, gts),
                self._iou(rois, results["bbox_pred"], labels, positive, gts),
                self.pc_loc,
            )
            losses["loss_pc_loc"] = hinge.sum() / max(len(positive), 1)
        return losses

    def _label_probability(self, cls_score: Tensor, labels: Tensor) -> Tensor:
        custom = self.custom_activation
        scores = self.loss_cls.get_activation(cls_score) if custom else cls_score.softmax(1)
        return scores.gather(1, labels[:, None])[:, 0]

    def _iou(
        self, rois: Tensor, bbox_pred: Tensor, labels: Tensor, positive: Tensor, gts: Tensor
    ) -> Tensor:
        """IoU of the boxes decoded from positive proposals with their ground truth, (n_pos,)."""
        bbox_pred = bbox_pred.view(len(rois), -1, 4)[positive]
        column = torch.zeros_like(labels) if self.reg_class_agnostic else labels
        bbox_pred = bbox_pred[torch.arange(len(bbox_pred)), column[positive]]
        boxes = self.bbox_coder.decode(rois[positive, 1:], bbox_pred)
        return bbox_overlaps(boxes, gts, is_aligned=True)
