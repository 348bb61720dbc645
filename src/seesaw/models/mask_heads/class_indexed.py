"""Mask heads that compute one class per RoI instead of all of them.

A mask of an RoI is read, pasted and trained for one class only: the predicted one at inference,
the ground-truth one in training. mmdet computes the 1x1 ``conv_logits`` for all 1,203 LVIS classes
and picks one channel afterwards (``mmdet/models/roi_heads/mask_heads/fcn_mask_head.py``); here the
row of the 1x1 weight is picked first. Outputs and gradients are those of the dense form (classes
that are not selected have gradient zero in both), and time and memory do not depend on the number
of classes. ``state_dict`` keys and shapes are unchanged.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmdet.models.layers import NormedConv2d
from mmdet.models.roi_heads.mask_heads import FCNMaskHead, HTCMaskHead
from mmdet.registry import MODELS
from torch import Tensor, nn

from seesaw.errors import UserError

LVIS_CLASSES = 1203


class ClassIndexedConv2d(nn.Conv2d):
    """1x1 convolution whose output is the channel ``labels[i]`` of sample i.

    ``labels`` is an int64 tensor of shape (n,), or (1,) for one class in all samples; see
    :meth:`ClassIndexedMaskHead.class_indexed`.
    """

    labels: Tensor | None = None
    gain: float = 1.0  # the weight is stored divided by it

    def forward(self, x: Tensor) -> Tensor:
        """Map features (n, in_channels, h, w) to logits (n, 1, h, w).

        Raises:
            UserError: no labels are set.
        """
        if self.labels is None:
            raise UserError(
                "A class-indexed mask head got no labels from its RoI head: set roi_head.type to "
                "ClassIndexedStandardRoIHead, ClassIndexedCascadeRoIHead, HTCRoIHeadFixed or "
                "HTCLiteRoIHead, or mask_head to FCNMaskHead or HTCMaskHead without predictor_rate."
            )
        labels = self.labels.expand(len(x))
        rows = self._normalise_rows(self.weight[labels].flatten(1) * self.gain)
        logits = torch.bmm(rows[:, None], x.flatten(2)).unflatten(2, x.shape[2:])
        logits = self._normalise_logits(logits, x)
        return logits if self.bias is None else logits + self.bias[labels].view(-1, 1, 1, 1)

    def _normalise_rows(self, rows: Tensor) -> Tensor:
        return rows

    def _normalise_logits(self, logits: Tensor, x: Tensor) -> Tensor:
        return logits


class ClassIndexedNormedConv2d(ClassIndexedConv2d, NormedConv2d):
    """:class:`ClassIndexedConv2d` for mmdet's ``NormedConv2d`` (Seesaw Loss's "Norm Mask")."""

    def _normalise_rows(self, rows: Tensor) -> Tensor:
        return rows / (rows.norm(dim=1, keepdim=True).pow(self.power) + self.eps)

    def _normalise_logits(self, logits: Tensor, x: Tensor) -> Tensor:
        # dividing the logit, not the feature: one value per pixel instead of in_channels
        norm = x.norm(dim=1, keepdim=True).pow(self.power) + self.eps
        return logits * (self.temperature / norm)


INDEXED = {
    "Conv": ClassIndexedConv2d,
    "Conv2d": ClassIndexedConv2d,
    "NormedConv2d": ClassIndexedNormedConv2d,
}


class ClassIndexedMaskHead:
    """Mixin before an ``FCNMaskHead`` class: one class's mask per RoI.

    Args:
        predictor_cfg: as mmdet's.
        predictor_rate: learning rate of the predictor's weight, relative to that of other layers. A
            row learns from the RoIs of its own class alone, of which a short training has few. The
            weight is stored divided by the root of the rate (equalised learning rate, arXiv
            1710.10196, section 4.1).

    Raises:
        UserError: ``predictor_cfg.type`` is a layer without one weight row per class, or
            ``predictor_rate`` is not positive.
    """

    def __init__(
        self,
        *args,
        predictor_cfg: dict | None = None,
        predictor_rate: float = 1.0,
        **kwargs,
    ) -> None:
        if not predictor_rate > 0:
            raise UserError(f"mask_head.predictor_rate is {predictor_rate}; set a positive number.")
        predictor_cfg = dict(predictor_cfg or dict(type="Conv"))
        if predictor_cfg["type"] not in INDEXED:
            raise UserError(
                f"mask_head.predictor_cfg type {predictor_cfg['type']!r} of "
                f"{type(self).__name__} has no weight row per class: use one of {sorted(INDEXED)}, "
                "or a dense mask head."
            )
        predictor_cfg["type"] = INDEXED[predictor_cfg["type"]]
        super().__init__(*args, predictor_cfg=predictor_cfg, **kwargs)
        self.conv_logits.gain = predictor_rate**0.5
        # A class-agnostic head has one row, which is used for every label.
        self._one_row = self.class_agnostic
        # From here on mmdet sees one channel per RoI, for the loss as for pasting.
        self.class_agnostic = True

    def init_weights(self) -> None:
        """Initialise as mmdet, but scale the predictor as for LVIS's 1,203 classes.

        Kaiming's fan-out is the number of classes: with few classes the initial rows are so large
        that the few RoIs of a rare class cannot change the direction of its row.
        """
        super().init_weights()
        layer = self.conv_logits
        with torch.no_grad():
            layer.weight *= (len(layer.weight) / LVIS_CLASSES) ** 0.5 / layer.gain

    @contextmanager
    def class_indexed(self, labels: Tensor) -> Iterator[None]:
        """Compute the class ``labels[i]`` (n,) for RoI i in every forward inside the block."""
        self.conv_logits.labels = torch.zeros_like(labels) if self._one_row else labels
        try:
            yield
        finally:
            self.conv_logits.labels = None


@MODELS.register_module()
class ClassIndexedFCNMaskHead(ClassIndexedMaskHead, FCNMaskHead):
    """``FCNMaskHead`` with logits (n, 1, h, w) of one class per RoI; same configuration keys."""


@MODELS.register_module()
class ClassIndexedHTCMaskHead(ClassIndexedMaskHead, HTCMaskHead):
    """``HTCMaskHead`` with logits (n, 1, h, w) of one class per RoI; same configuration keys."""


def select_class(mask_preds: Tensor, labels: Tensor) -> Tensor:
    """Pick each RoI's class from dense or class-indexed logits.

    Args:
        mask_preds: (n, C, h, w), or (n, 1, h, w) from a class-indexed or class-agnostic head.
        labels: (n,) int64.

    Returns:
        (n, h, w).
    """
    if mask_preds.size(1) == 1:
        return mask_preds[:, 0]
    return mask_preds[torch.arange(len(labels), device=labels.device), labels]
