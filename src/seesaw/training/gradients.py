"""Cumulative gradients of each category's logit, positive samples against negative ones, Figure A1.

Configs name the hook by its full path, so that only trainings that use it depend on this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from mmdet.models.losses import CrossEntropyLoss
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from torch import Tensor, nn

from seesaw.core.files import write_atomic
from seesaw.errors import UserError
from seesaw.models.losses.common import load_category_counts, sampled
from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss, seesaw_logits

SUMS = ("positive", "negative_foreground", "negative_background", "samples")


@torch.no_grad()
def absolute_gradients(
    loss: nn.Module, cls_score: Tensor, labels: Tensor, weights: Tensor, avg_factor: float
) -> Tensor:
    """Return sums over RoIs of |d loss / d z_i| for each category's logit z_i, in closed form.

    The gradient of a RoI of category y is its weight times p_i - [i = y], where p = softmax(z) for
    cross-entropy and p = softmax(z + log S) for Seesaw Loss (paper Eqn A1), whose class loss
    ignores background RoIs.

    Args:
        loss: Softmax ``CrossEntropyLoss`` or ``SyncedSeesawLoss``, after its own forward pass.
        cls_score: Logits, (N, C + 1) or (N, C + 2).
        labels: Labels in [0, C], C = background, < 0 = ignored, (N,).
        weights: Weight of each RoI, (N,).
        avg_factor: Divisor of the loss.

    Returns:
        (4, C) float64: the sums over RoIs of category i, over RoIs of other categories and over
        background RoIs, and the number of RoIs of category i.
    """
    z = cls_score.to(torch.promote_types(cls_score.dtype, torch.float32))
    seesaw = isinstance(loss, SyncedSeesawLoss)
    classes = z.shape[1] - (2 if seesaw else 1)
    known = sampled(labels, weights)
    foreground = known & (labels < classes)
    own = labels.clamp(0, classes - 1)
    if seesaw:
        z = seesaw_logits(z[:, :classes], own, loss.cum_samples[:-1], loss.p, loss.q, loss.eps)
    log_p = z.double().log_softmax(dim=1)[:, :classes]
    of_own = log_p.gather(1, own[:, None])
    # The RoI's own category is excluded from the sums of negatives, which avoids cancellation.
    p = log_p.exp().scatter_(1, own[:, None], of_own.exp() * ~foreground[:, None])
    divisor = avg_factor + torch.finfo(torch.float32).eps  # as mmdet's weight_reduce_loss
    scale = weights.double() * (loss.loss_weight / divisor)
    background = scale * (known & ~foreground & (not seesaw))
    sums = torch.zeros(len(SUMS), classes, dtype=torch.float64, device=z.device)
    sums[0].index_add_(0, own, -torch.expm1(of_own.squeeze(1)) * scale * foreground)
    sums[1:3] = torch.stack([scale * foreground, background]) @ p
    sums[3].index_add_(0, own, foreground.double())
    return sums


class GradientRatioHook(Hook):
    """Sum `absolute_gradients` over the whole training and write ``gradients.json``.

    The gradients are those of the optimised loss, the mean over ranks and accumulated batches. The
    sums are reduced over ranks after each iteration, so every checkpoint holds the sums of all
    ranks and a resumed training gives a byte-identical file. ``category_counts`` is the file that
    `load_category_counts` reads.

    Raises:
        UserError: the detector has no single classifier, its loss is neither of the two, or the
            counts cannot be read.
    """

    FILE = "gradients.json"

    def __init__(self, category_counts: str):
        self.category_counts = category_counts
        self._total: Any = None  # a tensor from the first `before_train` on
        self._iterations = 0

    def before_train(self, runner) -> None:
        """Register a forward hook on the classifier's loss."""
        head = getattr(runner.model, "module", runner.model).roi_head.bbox_head
        loss: Any = getattr(head, "loss_cls", None)
        if not _known(loss):
            raise UserError(
                f"{runner.cfg.filename}: GradientRatioHook knows one classifier with softmax "
                f"cross-entropy or Seesaw Loss, not {type(loss or head).__name__}; take it out of "
                "custom_hooks."
            )
        self._counts = load_category_counts(self.category_counts, head.num_classes)
        device = next(head.parameters()).device
        self._step = torch.zeros(len(SUMS), head.num_classes, dtype=torch.float64, device=device)
        if self._total is None:
            self._total = torch.zeros_like(self._step)
        self._total = self._total.to(device)
        self._listener = loss.register_forward_hook(self._add, with_kwargs=True)
        self._batches = get_world_size() * runner.train_loop.accumulated

    def after_train(self, runner) -> None:
        """Remove the forward hook."""
        self._listener.remove()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Add the iteration's sums over all ranks."""
        all_reduce(self._step)
        self._step[:-1] /= self._batches
        self._total += self._step
        self._step.zero_()
        self._iterations += 1

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Store the sums in a checkpoint."""
        checkpoint["gradients"] = dict(sums=self._total.cpu(), iterations=self._iterations)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Load the sums from a checkpoint."""
        if found := checkpoint.get("gradients"):
            self._total, self._iterations = found["sums"], found["iterations"]

    def write(self, folder: Path) -> Path:
        """Write the sums by category id; `seesaw.training.train` calls this at the end."""
        path = folder / self.FILE
        content = dict(
            categories=list(range(1, len(self._counts.instances) + 1)),
            instances=self._counts.instances,
            **dict(zip(SUMS, self._total.tolist(), strict=True)),
            iterations=self._iterations,
        )
        content["samples"] = [int(n) for n in content["samples"]]
        if is_main_process():
            write_atomic(path, json.dumps(content) + "\n")
        return path

    def _add(self, loss: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        if loss.training:
            self._step += absolute_gradients(loss, *args, kwargs["avg_factor"])


def _known(loss: Any) -> bool:
    softmax = isinstance(loss, CrossEntropyLoss) and not (loss.use_sigmoid or loss.use_mask)
    return isinstance(loss, SyncedSeesawLoss) or (softmax and loss.class_weight is None)
