"""Hybrid Task Cascade without the semantic branch (Table A2), with mmdet 3.x's defects repaired."""

from contextlib import ExitStack

from mmdet.models.roi_heads import HybridTaskCascadeRoIHead
from mmdet.registry import MODELS
from torch import Tensor

from seesaw.errors import UserError
from seesaw.models.roi_heads.standard import ClassIndexedRoIHead

MASK_STAGES = ("mean", "last")


@MODELS.register_module()
class HTCRoIHeadFixed(ClassIndexedRoIHead, HybridTaskCascadeRoIHead):
    """``HybridTaskCascadeRoIHead`` that averages the masks of all stages at inference.

    mmdet 3.x (``mmdet/models/roi_heads/htc_roi_head.py``) collects the masks outside its loop over
    stages, so that only the last stage is used where mmdet 2.x, and thus the paper's Table A2,
    averaged three; with ``mask_info_flow=False`` it cannot predict; and it raises on flipped views
    (all mmdet#10210).

    Args:
        mask_stages: ``mean`` of all stages' probabilities, or ``last`` for mmdet 3.x's behaviour.
        **kwargs: as ``HybridTaskCascadeRoIHead``. ``mask_head`` may be class-indexed.

    Raises:
        UserError: unknown ``mask_stages``.
    """

    def __init__(self, mask_stages: str = "mean", **kwargs) -> None:
        if mask_stages not in MASK_STAGES:
            raise UserError(f"roi_head.mask_stages is {mask_stages!r}: use one of {MASK_STAGES}.")
        super().__init__(**kwargs)
        self.mask_stages = mask_stages

    def _mask_forward(
        self,
        stage: int,
        x: tuple[Tensor],
        rois: Tensor,
        semantic_feat: Tensor | None = None,
        training: bool = True,
    ) -> dict:
        """As upstream; at inference ``mask_preds`` lists the logits of the stages to average."""
        if training:
            return super()._mask_forward(stage, x, rois, semantic_feat, training)
        # Upstream runs every stage and drops what all but the last one predict: keep it.
        logits: list[Tensor] = []
        with ExitStack() as stack:
            for head in self.mask_head:
                stack.enter_context(_capture(head.conv_logits, logits))
            super()._mask_forward(stage, x, rois, semantic_feat, training)
        return dict(mask_preds=logits if self.mask_stages == "mean" else logits[-1:])


def _capture(module, outputs: list):
    """Append what ``module`` returns to ``outputs``; the handle's context ends that."""
    return module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
