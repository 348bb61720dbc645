"""Seesaw Loss in log space: mmdet's values and gradients, global and resumable counts.

Relates to mmdet/models/losses/seesaw_loss.py, which loops over the labels of a batch in Python,
synchronises the device for each, builds a C x C matrix, and counts the samples of each rank
separately.
"""

import math

import torch
import torch.nn.functional as F
from mmdet.models.losses.seesaw_loss import SeesawLoss
from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.registry import MODELS
from mmengine.dist import all_reduce
from torch import Tensor
from torch.autograd.function import once_differentiable

from seesaw.models.losses.common import check_num_classes, masked_accuracy, sampled


@torch.no_grad()
def seesaw_logits(
    logits: Tensor, labels: Tensor, cum_samples: Tensor, p: float, q: float, eps: float
) -> Tensor:
    """Logits + log S_ij of each row's label i, up to a constant of the row (paper Eqn 4-7).

    log S_ij = log M_ij + log C_ij with log M_ij = p min(0, log n_j - log n_i), n = max(N, 1), and
    log C_ij = q max(0, log sigma_j - max(log sigma_i, log eps)), sigma = softmax(logits).
    S is a constant to autograd, so that the gradient is Eqn A1.

    Args:
        logits: Class logits, (N, C).
        labels: Foreground labels in [0, C), (N,).
        cum_samples: Cumulative sample counts N_j, (C,).
        p: Exponent of the mitigation factor M.
        q: Exponent of the compensation factor C.
        eps: Lower bound of sigma_i in C; 0 is the paper's formula without a bound.

    Returns:
        (N, C), in the type of ``logits``, shifted so that the maximum of each row is 0.
    """
    counts = cum_samples.clamp(min=1).log().mul_(p).to(logits.dtype)
    # min(0, a - b) = min(a, b) - b and max(0, a - b) = max(a, b) - b: b is the row's constant.
    terms = torch.minimum(counts, counts[labels][:, None])
    log_probs = logits.log_softmax(dim=1)
    terms.add_(log_probs)
    if q > 0:
        own = log_probs.gather(1, labels[:, None])
        if eps > 0:
            own.clamp_(min=math.log(eps))
        terms.add_(torch.maximum(log_probs, own, out=log_probs), alpha=q)
    return terms.sub_(terms.amax(dim=1, keepdim=True)) if len(terms) else terms


class SeesawCrossEntropy(torch.autograd.Function):
    """Both losses of each RoI in one node, so that the (N, C + 2) gradient is written once.

    On a CPU only foreground rows enter the class loss. On a GPU all rows do and background is
    masked, because selecting rows would synchronise the device.
    """

    @staticmethod
    def forward(
        ctx,
        cls_score: Tensor,
        labels: Tensor,
        cum_samples: Tensor,
        p: float,
        q: float,
        eps: float,
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of logits + log S (paper Eqn 4) and of the objectness logits.

        Args:
            ctx: Autograd context.
            cls_score: C class logits, then [object, background], (N, C + 2).
            labels: Labels, C = background, < 0 = ignored, (N,).
            cum_samples: Cumulative sample counts, (C,).
            p: Exponent of the mitigation factor; see :func:`seesaw_logits`, also for q and eps.
            q: Exponent of the compensation factor.
            eps: Lower bound of sigma_i.

        Returns:
            Class loss, 0 for background, and objectness loss, (N,) each; both 0 if ignored.
        """
        num_classes = len(cum_samples)
        objectness = cls_score[:, num_classes:]
        valid, target = labels >= 0, (labels == num_classes).long()
        foreground = valid & (labels < num_classes)
        rows = foreground.nonzero().squeeze(1) if cls_score.is_cpu else slice(None)
        label = labels[rows].clamp(min=0, max=num_classes - 1)
        logits = cls_score[rows, :num_classes]
        terms = seesaw_logits(logits, label, cum_samples, p, q, eps)
        own = terms.gather(1, label[:, None])
        total = terms.exp_().sum(dim=1, keepdim=True)
        loss_classes = cls_score.new_zeros(len(labels))
        if p == q == 0:  # bit-exact
            loss_classes[rows] = F.cross_entropy(logits, label, reduction="none")
        else:
            loss_classes[rows] = (total.log() - own).squeeze(1)
        log_objectness = objectness.log_softmax(dim=1)
        loss_objectness = log_objectness.gather(1, target[:, None]).squeeze(1).neg()
        ctx.rows = rows
        ctx.save_for_backward(terms, total, log_objectness, label, target, foreground, valid)
        return loss_classes * foreground, loss_objectness * valid

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_classes: Tensor, grad_objectness: Tensor) -> tuple:
        """Eqn A1: S_ij e^{z_j} / sum_k S_ik e^{z_k} minus the one-hot label."""
        terms, total, log_objectness, label, target, foreground, valid = ctx.saved_tensors
        num_classes = terms.shape[1]
        grad_classes = (grad_classes * foreground)[ctx.rows, None]
        grad_objectness = (grad_objectness * valid)[:, None]
        grad = terms.new_zeros(len(valid), num_classes + 2)
        of_classes = (terms * (grad_classes / total)).scatter_add_(1, label[:, None], -grad_classes)
        grad[ctx.rows, :num_classes] = of_classes
        of_objectness = torch.mul(log_objectness.exp(), grad_objectness, out=grad[:, num_classes:])
        of_objectness.scatter_add_(1, target[:, None], -grad_objectness)
        return grad, None, None, None, None, None


@MODELS.register_module()
class SyncedSeesawLoss(SeesawLoss):
    """mmdet's ``SeesawLoss`` without loops, device syncs or a C x C matrix.

    Channels: C class logits, then objectness logits [object, background]. The class loss sees
    foreground RoIs, the objectness loss all (paper Section 3.3). ``cum_samples`` keeps mmdet's
    name and shape (C + 1,), so public checkpoints load; it is held in float64 because float32
    stops counting background RoIs at 2**24. Only training steps count, and neither ignored RoIs
    (label < 0) nor those of weight 0 do. With ``sync``, every rank must compute the loss in every
    step.

    Args:
        sync: True counts the samples of all ranks, so that a resumed training, in which each rank
            loads rank 0's counts, continues exactly; False counts each rank's own as mmdet does.
        **kwargs: As mmdet's ``SeesawLoss``: num_classes, p, q, eps, reduction,
            loss_weight, return_dict.
    """

    def __init__(self, *args, sync: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.sync = sync
        self.cls_criterion = SeesawCrossEntropy.apply
        self.cum_samples = self.cum_samples.double()

    def get_cls_channels(self, num_classes: int) -> int:
        """C + 2 channels; a UserError if the head's C is another."""
        check_num_classes(self, num_classes)
        return super().get_cls_channels(num_classes)

    def get_accuracy(self, cls_score: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """``acc_objectness`` over all RoIs and ``acc_classes`` over foreground, per cent, (1,)."""
        classes, objectness = self._split_cls_score(cls_score)
        valid, background = labels >= 0, labels == self.num_classes
        return {
            "acc_objectness": masked_accuracy(objectness, background.long(), valid),
            "acc_classes": masked_accuracy(classes, labels, valid & ~background),
        }

    @torch.no_grad()
    def accumulate(self, labels: Tensor, counted: Tensor) -> None:
        """Add the step's label histogram, with ``sync`` that of all ranks, to ``cum_samples``.

        Args:
            labels: Labels in [0, C], C = background, (N,).
            counted: Boolean, (N,): the rows that count.
        """
        step = torch.zeros_like(self.cum_samples)
        step.index_add_(0, labels.clamp(min=0), counted.to(step.dtype))
        if self.sync:
            all_reduce(step)
        self.cum_samples += step

    def forward(
        self,
        cls_score: Tensor,
        labels: Tensor,
        label_weights: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor | dict[str, Tensor]:
        """Count the step's samples (in training only), then compute both losses.

        Args:
            cls_score: Logits, (N, C + 2); half precision is computed in float32.
            labels: Labels in [0, C], C = background, < 0 = ignored, (N,).
            label_weights: Weight of each RoI, (N,).
            avg_factor: Divisor of the sums; BBoxHead gives the number of weighted RoIs. None: each
                loss is divided by the number of its own RoIs.
            reduction_override: "none", "mean" or "sum"; "none" gives (N,) for both losses.

        Returns:
            ``loss_cls_objectness`` and ``loss_cls_classes``, or their sum if not return_dict.
        """
        reduction = reduction_override or self.reduction
        cls_score = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
        if self.training:
            self.accumulate(labels, sampled(labels, label_weights))

        loss_classes, loss_objectness = self.cls_criterion(
            cls_score, labels, self.cum_samples[:-1], self.p, self.q, self.eps
        )
        losses = {}
        for name, loss, classes in (
            ("loss_cls_objectness", loss_objectness, self.num_classes + 1),
            ("loss_cls_classes", loss_classes, self.num_classes),
        ):
            factor = avg_factor
            if factor is None and reduction == "mean":
                factor = ((labels >= 0) & (labels < classes)).sum().clamp(min=1)
            loss = weight_reduce_loss(loss, label_weights, reduction, factor)
            losses[name] = self.loss_weight * loss
        return losses if self.return_dict else sum(losses.values())
