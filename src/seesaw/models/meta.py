"""Build a detector on torch's meta device and run it part by part: shapes and costs, no memory.

Tensors on the meta device have shapes but no values. RoI extractors have no kernel there; heads get
RoI features of the right shape instead, and their cost does not depend on which boxes remain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.utils import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import seesaw.models  # noqa: F401  (registers)
from seesaw.models.bbox_heads.dual_head import DualTSDBBoxHead
from seesaw.models.bbox_heads.tsd_bbox_head import TSDBBoxHead
from seesaw.models.ops import carafe, deform_conv

Key = tuple[str, int | None]
Step = tuple[Key, nn.Module, Any]  # a part's key, its module and its outputs


@dataclass(frozen=True)
class Part:
    """A module of the detector and what it does in one pass."""

    name: str  # "backbone", "neck", "RPN", "box", "mask", "semantic", "context" or "mask IoU"
    stage: int | None  # stage of the cascade, from 0; None if the part belongs to no stage
    type: str  # name of its class
    parameters: int  # number of parameters
    macs: int  # number of multiply-adds
    outputs: list[tuple[int, ...]]  # shapes of its output tensors


def build(cfg: Config) -> nn.Module:
    """Build the config's model on the meta device, with BN for SyncBN (the shapes are the same)."""
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        return revert_sync_batchnorm(MODELS.build(cfg.model))


def with_counts(cfg: Config, counts: dict | None, classes: int) -> None:
    """Give losses the category counts as data; made-up counts where there are none.

    The size of a model depends only on the number of categories.
    """
    counts = counts or {
        "annotated_images": classes,
        "categories": [
            {"id": i, "image_count": i, "instance_count": i} for i in range(1, classes + 1)
        ],
    }
    heads = cfg.model.roi_head.bbox_head
    for head in heads if isinstance(heads, list) else [heads]:
        if "category_counts" in head.loss_cls:
            head.loss_cls.category_counts = counts


def padded(size: tuple[int, int], divisor: int) -> tuple[int, int]:
    """Return height and width after the model's padding."""
    return math.ceil(size[0] / divisor) * divisor, math.ceil(size[1] / divisor) * divisor


def measured(model: nn.Module, run: Callable[[], Iterable[Step]]) -> list[Part]:
    """Return the parts that a pass of the model at inference runs, such as that of `whole`."""
    model.eval()
    parts, before = [], 0
    with torch.no_grad(), as_on_gpus(), FlopCounterMode(display=False) as counter:
        for key, module, outputs in run():
            parameters = sum(p.numel() for p in module.parameters())
            total = counter.get_total_flops() // 2
            kind = type(module).__name__
            parts.append(Part(*key, kind, parameters, total - before, _shapes(outputs)))
            before = total
    return parts


def whole(
    model: nn.Module, images: int, px: tuple[int, int], rois: int, masks: int
) -> Iterator[Step]:
    """Run all parts on images of a height and width; ``masks`` of the ``rois`` get a mask."""
    pyramid = ()
    for step in trunk(model, images, px):
        yield step
        pyramid = step[2] if step[0][0] == "neck" else pyramid
    yield from heads(model.roi_head, rois, masks)
    for name, attribute in (("semantic", "semantic_head"), ("context", "glbctx_head")):
        if branch := getattr(model.roi_head, attribute, None):
            yield (name, None), branch, branch(pyramid)


def trunk(model: nn.Module, images: int, px: tuple[int, int]) -> Iterator[Step]:
    """Run backbone, neck and RPN."""
    levels = model.backbone(torch.zeros(images, 3, *px, device="meta"))
    yield ("backbone", None), model.backbone, levels
    pyramid = model.neck(levels)
    yield ("neck", None), model.neck, pyramid
    yield ("RPN", None), model.rpn_head, model.rpn_head(pyramid)


def heads(roi_head: nn.Module, rois: int, masks: int) -> Iterator[Step]:
    """Run box and mask heads, each on RoI features that require a gradient if gradients are on."""
    boxes = _listed(roi_head.bbox_head)
    for stage, head in enumerate(boxes):
        feats = _features(roi_head.bbox_roi_extractor, rois)
        yield ("box", stage), head, _box(head, feats)
    before = None
    masked = _listed(getattr(roi_head, "mask_head", None))
    for stage, head in enumerate(masked, start=len(boxes) - len(masked)):
        feats = _features(roi_head.mask_roi_extractor, masks)
        with roi_head.class_indexed(torch.zeros(masks, dtype=torch.long, device="meta")):
            if hasattr(head, "with_conv_res"):  # HTC: mask features flow from stage to stage
                out = head(feats, before, return_logits=True, return_feat=True)
                before = out[1]
            else:
                out = head(feats)
        yield ("mask", stage), head, out
    if scoring := getattr(roi_head, "mask_iou_head", None):
        out = scoring(feats, torch.empty(masks, 28, 28, device="meta"))
        yield ("mask IoU", len(boxes) - 1), scoring, out


def _box(head: nn.Module, feats: Tensor) -> Any:
    if not isinstance(head, TSDBBoxHead):
        return head(feats)
    head.deltas(feats)
    classified = torch.empty_like(feats)
    out = head(classified, torch.empty_like(feats))
    if isinstance(head, DualTSDBBoxHead):
        head.forward_dual(classified)
    elif head.training:
        head.sibling(feats)
    return out


def _listed(found: nn.Module | None) -> list[nn.Module]:
    if isinstance(found, nn.ModuleList):
        return list(found)
    return [] if found is None else [found]


def _features(extractor: nn.Module, rois: int) -> Tensor:
    extractor = extractor[0] if isinstance(extractor, nn.ModuleList) else extractor
    shape = (rois, extractor.out_channels, *extractor.roi_layers[0].output_size)
    return torch.zeros(shape, device="meta", requires_grad=torch.is_grad_enabled())


def _shapes(found: Any) -> list[tuple[int, ...]]:
    if isinstance(found, Tensor):
        return [tuple(found.shape)]
    return [shape for item in found for shape in _shapes(item)]


@contextmanager
def as_on_gpus(block: Callable | None = None) -> Iterator[None]:
    """Replace operators by forms with the shapes and memory of their CUDA kernels.

    ``block`` takes the place of `torch.utils.checkpoint.checkpoint`; by default nothing is
    recomputed.
    """

    def convolve(x, offset, mask, weight, stride, padding, dilation, groups, deform_groups):
        return F.conv2d(x, weight, None, stride, padding, dilation, groups)

    def reassemble(padded, masks, kernel_size, down):
        rows, columns = ((side - 1) * down + 1 for side in masks.shape[3::2])
        window = padded[..., :rows:down, :columns:down]
        return window[..., None, :, None] * masks.mean(dim=2)[:, :, None]

    block = block or (lambda run, *inputs, **_: run(*inputs))
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(deform_conv, "sampled_deform_conv", convolve))
        stack.enter_context(mock.patch.object(carafe, "_unfolded", reassemble))
        stack.enter_context(mock.patch.object(checkpoint, "checkpoint", block))
        yield
