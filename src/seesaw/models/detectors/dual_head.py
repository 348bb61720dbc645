"""Dual-head classification, the detector: everything frozen but the new classifiers."""

import re

import torch
from mmdet.models.detectors import CascadeRCNN
from mmdet.registry import MODELS
from torch import Tensor

from seesaw.errors import UserError

_SOURCE = re.compile(
    r"(?P<head>.*\bbbox_head\.\d+\.)(?P<part>cls_fcs|fc_cls|loss_cls)\.(?P<rest>.+)"
)


def is_dual(name: str) -> bool:
    """Whether a dotted parameter, buffer or module name belongs to a new classifier."""
    return any(part.startswith("dual_") for part in name.split("."))


def init_dual_from(state_dict: dict[str, Tensor], branch: str = "fcs") -> dict[str, Tensor]:
    """Start the new classifiers from the trained ones (SimCal's best variant; Sec. 4.2).

    ``roi_head.bbox_head.<s>.fc_cls.*`` is copied to ``dual_fc_cls`` and, under ``fcs``,
    ``.cls_fcs.*`` to ``dual_cls_fcs``; the counter of Seesaw Loss starts at zero, because
    repeat-factor sampling shows another class distribution.

    Args:
        state_dict: Weights of a finished model of the Seesaw rung; left as it is.
        branch: ``fcs`` or ``predictor``, see :class:`DualTSDBBoxHead`.

    Returns:
        A new dict with the old and the new keys; tensors of new keys share no memory with old ones.
    """
    parts = ("cls_fcs", "fc_cls", "loss_cls") if branch == "fcs" else ("fc_cls", "loss_cls")
    new = {}
    for key, value in state_dict.items():
        match = _SOURCE.fullmatch(key)
        if match and match["part"] in parts:
            value = torch.zeros_like(value) if match["part"] == "loss_cls" else value.clone()
            new[f"{match['head']}dual_{match['part']}.{match['rest']}"] = value
    return {**state_dict, **new}


@MODELS.register_module()
class DualHeadCascadeRCNN(CascadeRCNN):
    """Finished detector whose RoI head learns a second classifier per stage (Sec. 4.2).

    All parameters but ``dual_*`` are frozen, all modules but ``dual_*`` stay in evaluation mode, so
    that neither batch-norm statistics nor the old sample counters move and the parts of TSD that
    exist for training only stay off. Only the new classification losses are computed.

    Weights come through ``load_from`` (or any ``load_state_dict``): from a model without ``dual_*``
    keys the new classifiers are initialised by :func:`init_dual_from`; a checkpoint with them
    resumes. Both are strict: every key but ``num_batches_tracked`` must be there, none may be left
    over; else loading raises a UserError.

    Args:
        **kwargs: As :class:`mmdet.models.CascadeRCNN`; ``roi_head`` is a DualTSDHTCLiteRoIHead.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(is_dual(name))

    def train(self, mode: bool = True) -> "DualHeadCascadeRCNN":
        """Set the new classifiers to training mode and nothing else."""
        super().train(False)
        self.training = mode
        for name, module in self.named_modules():
            if is_dual(name):
                module.train(mode)
        return self

    def loss(self, batch_inputs: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Losses of the new classifiers on the proposals of the frozen RPN.

        Args:
            batch_inputs: Images, (B, 3, H, W).
            batch_data_samples: Data samples of mmdet with ground truth.

        Returns:
            Losses and accuracies by name, ``s<stage>.dual_*``.
        """
        feats = self.extract_feat(batch_inputs)
        proposals = self.rpn_head.predict_by_feat(
            *self.rpn_head(feats),
            batch_img_metas=[sample.metainfo for sample in batch_data_samples],
            cfg=self.train_cfg.rpn_proposal,
        )
        return self.roi_head.loss(feats, proposals, batch_data_samples)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        own = {prefix + key: value for key, value in self.state_dict().items()}
        if not any(map(is_dual, state_dict)):
            state_dict.update(init_dual_from(state_dict, self.roi_head.bbox_head[0].branch))
        # Old checkpoints lack this counter of batch norm, and nothing here uses it.
        missing = [k for k in own if k not in state_dict and not k.endswith("num_batches_tracked")]
        wrong = [k for k in own if k in state_dict and state_dict[k].shape != own[k].shape]
        left = [k for k in state_dict if k.startswith(prefix) and k not in own]
        for fault, keys in (("lacks", missing), ("has another shape of", wrong), ("adds", left)):
            if keys:
                raise UserError(
                    f"The checkpoint given as load_from {fault} {len(keys)} of the model's tensors "
                    f"({keys[0]}): train dual-head classification from a finished model with the "
                    "same configuration otherwise."
                )
        super()._load_from_state_dict(state_dict, prefix, *args)
