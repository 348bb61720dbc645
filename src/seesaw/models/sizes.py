"""Compute a model's parameters, multiply-adds and activation memory without allocating it.

All models run on torch's meta device, on which tensors have shapes but no values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
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
from torch.autograd.graph import saved_tensors_hooks
from torch.utils import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import seesaw.models  # noqa: F401  (registers)
from seesaw.models.bbox_heads.dual_head import DualTSDBBoxHead
from seesaw.models.bbox_heads.tsd_bbox_head import TSDBBoxHead
from seesaw.models.ops import carafe, deform_conv

IMAGE = (800, 1216)  # px, the input size of mmdet's tables
_TWO = 2  # batch statistics of one image alone are undefined
POSITIVES = 0.25  # largest share of the sampled RoIs, as in every config's sampler


@dataclass(frozen=True)
class Size:
    """The size of a model in training.

    Attributes:
        parameters: number of all parameters.
        trainable: number of parameters with a gradient.
        macs: multiply-adds of ``backbone``, ``neck`` and ``rpn`` on an image of `IMAGE` (padded to
            the model's divisor), and of ``box`` and ``mask`` for one RoI.
        kept: bytes of activations that a training keeps for the backward pass of one image of
            ``train_px``, including those of a checkpointed block while it is recomputed.
        train_px: height and width of the largest training image, px.
    """

    parameters: int
    trainable: int
    macs: dict[str, float]
    kept: int
    train_px: tuple[int, int]

    def training_bytes(self, images: int) -> float:
        """Return the memory of one GPU: weights, gradients, buckets, momentum, and the images.

        All are in fp32. The framework, targets and the allocator's overhead are not included; see
        preflight.yaml.
        """
        return 4 * (self.parameters + 3 * self.trainable) + images * self.kept


class Sizes:
    """Sizes of configs; parts that several configs share are computed once."""

    def __init__(self):
        self._known: dict[str, Any] = {}

    def measure(self, cfg: Config) -> Size:
        """Build a config's model on the meta device and run it there.

        The category counts of the config must exist as a file, or be in the config as data.
        """
        px = train_px(cfg)
        return self._once([cfg.model.to_dict(), px], lambda: self._measure(cfg, px))

    def _measure(self, cfg: Config, px: tuple[int, int]) -> Size:
        model = build(cfg)
        parameters = list(model.parameters())
        trunk = [cfg.model[part].to_dict() for part in ("backbone", "neck", "rpn_head")]
        divisor = cfg.model.data_preprocessor.get("pad_size_divisor", 1)
        macs = self._once([trunk, divisor], lambda: _trunk_macs(model, padded(IMAGE, divisor)))
        return Size(
            parameters=sum(p.numel() for p in parameters),
            trainable=sum(p.numel() for p in parameters if p.requires_grad),
            macs=macs | _head_macs(model),
            kept=_kept(model, *px, _rois(cfg)),
            train_px=px,
        )

    def _once(self, what: Any, make: Callable[[], Any]) -> Any:
        key = json.dumps(what, sort_keys=True, default=str)
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def build(cfg: Config) -> nn.Module:
    """Build the config's model on the meta device, with BN for SyncBN (the shapes are the same)."""
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        return revert_sync_batchnorm(MODELS.build(cfg.model))


def train_px(cfg: Config) -> tuple[int, int]:
    """Return height and width in px of the largest padded image of a training pipeline."""
    dataset = cfg.train_dataloader.dataset
    steps = {step["type"]: step for step in dataset.get("dataset", dataset).pipeline}
    if crop := steps.get("RandomCrop"):
        size = crop["crop_size"]
    else:
        size = max((min(s), max(s)) for s in steps["RandomChoiceResize"]["scales"])
    return padded(size, cfg.model.data_preprocessor.get("pad_size_divisor", 1))


def padded(size: tuple[int, int], divisor: int) -> tuple[int, int]:
    """Return height and width after the model's padding."""
    return math.ceil(size[0] / divisor) * divisor, math.ceil(size[1] / divisor) * divisor


def _rois(cfg: Config) -> int:
    rcnn = cfg.model.train_cfg.rcnn
    return (rcnn[0] if isinstance(rcnn, (list, tuple)) else rcnn).sampler.num


def _trunk_macs(model: nn.Module, size: tuple[int, int]) -> dict[str, float]:
    model.eval()
    macs = {}
    with torch.no_grad(), _as_on_gpus():
        image = torch.zeros(1, 3, *size, device="meta")
        macs["backbone"], levels = _counted(model.backbone, image)
        macs["neck"], pyramid = _counted(model.neck, levels)
        macs["rpn"], _ = _counted(model.rpn_head, pyramid)
    return macs


def _head_macs(model: nn.Module) -> dict[str, float]:
    model.eval()
    with torch.no_grad(), _as_on_gpus():
        box, _ = _counted(_box_heads, model.roi_head, 1, False)
        mask, _ = _counted(_mask_heads, model.roi_head, 1)
    return {"box": box, "mask": mask}


def _counted(run: Callable, *args: Any) -> tuple[float, Any]:
    """Return the multiply-adds of a call, and its result."""
    with FlopCounterMode(display=False) as counter:
        out = run(*args)
    return counter.get_total_flops() / 2, out


def _kept(model: nn.Module, height: int, width: int, rois: int) -> int:
    model.train()
    meter = _Meter(model)
    with _as_on_gpus(meter), meter.counting():
        image = torch.zeros(_TWO, 3, height, width, device="meta")
        pyramid = model.neck(model.backbone(image))
        model.rpn_head(pyramid)
        if getattr(model.roi_head, "glbctx_head", None):
            model.roi_head.glbctx_head(pyramid[-1:])
        _box_heads(model.roi_head, _TWO * rois, True)
        _mask_heads(model.roi_head, round(_TWO * rois * POSITIVES))
    return (meter.bytes + meter.again) // _TWO


def _box_heads(roi_head: nn.Module, rois: int, training: bool) -> None:
    heads = roi_head.bbox_head
    for head in heads if isinstance(heads, nn.ModuleList) else [heads]:
        feats = _features(roi_head.bbox_roi_extractor, rois)
        if isinstance(head, TSDBBoxHead):
            head.deltas(feats)
            classified, regressed = torch.empty_like(feats), torch.empty_like(feats)
            head(classified, regressed)
            if isinstance(head, DualTSDBBoxHead):
                head.forward_dual(classified)
            elif training:
                head.sibling(feats)
        else:
            head(feats)


def _mask_heads(roi_head: nn.Module, rois: int) -> None:
    heads = roi_head.mask_head
    before = None
    for head in heads if isinstance(heads, nn.ModuleList) else [heads]:
        feats = _features(roi_head.mask_roi_extractor, rois)
        with roi_head.class_indexed(torch.zeros(rois, dtype=torch.long, device="meta")):
            if hasattr(head, "with_conv_res"):  # HTC: masks flow from stage to stage
                before = head(feats, before, return_logits=True, return_feat=True)[1]
            else:
                head(feats)
    if scoring := getattr(roi_head, "mask_iou_head", None):
        scoring(feats, torch.empty(rois, 28, 28, device="meta"))


def _features(extractor: nn.Module, rois: int) -> Tensor:
    """Return RoI features that require a gradient, like those of a trained pyramid."""
    extractor = extractor[0] if isinstance(extractor, nn.ModuleList) else extractor
    shape = (rois, extractor.out_channels, *extractor.roi_layers[0].output_size)
    return torch.zeros(shape, device="meta", requires_grad=torch.is_grad_enabled())


class _Meter:
    """Sum the tensors that autograd keeps, each storage once and without parameters.

    Attributes:
        bytes: bytes kept from the forward to the backward pass.
        again: the most bytes that one checkpointed block keeps while it is recomputed.
    """

    def __init__(self, model: nn.Module):
        self._skip = {p.untyped_storage()._cdata for p in model.parameters()}
        self._seen: dict[int, Tensor] = {}  # live tensors: ids of freed storages are reused
        self.bytes = self.again = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the tensors that are kept inside the block."""
        with saved_tensors_hooks(self.keep, lambda tensor: tensor):
            yield

    def keep(self, tensor: Tensor) -> Tensor:
        """Count a tensor."""
        key = tensor.untyped_storage()._cdata
        if key not in self._skip and key not in self._seen:
            self._seen[key] = tensor
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor

    def block(self, run, *inputs, **_):
        """Act as `torch.utils.checkpoint.checkpoint`: keep the inputs and recompute the rest."""
        before = self.bytes
        with self.counting():
            out = run(*inputs)
        self.again, self.bytes = max(self.again, self.bytes - before), before
        for tensor in inputs:
            self.keep(tensor)
        return out


@contextmanager
def _as_on_gpus(meter: _Meter | None = None) -> Iterator[None]:
    """Replace operators by forms with the shapes and memory of their CUDA kernels."""

    def convolve(x, offset, mask, weight, stride, padding, dilation, groups, deform_groups):
        return F.conv2d(x, weight, None, stride, padding, dilation, groups)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(deform_conv, "sampled_deform_conv", convolve))
        stack.enter_context(mock.patch.object(carafe, "_unfolded", carafe._shifted))
        block = meter.block if meter else lambda run, *inputs, **_: run(*inputs)
        stack.enter_context(mock.patch.object(checkpoint, "checkpoint", block))
        yield
