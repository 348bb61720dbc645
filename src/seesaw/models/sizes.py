"""The size of a model in training: parameters, multiply-adds and activation memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from seesaw.models import meta
from seesaw.models.meta import Part, build, padded

IMAGE = (800, 1216)  # px, the input size of mmdet's tables
_TWO = 2  # batch statistics of one image alone are undefined
POSITIVES = 0.25  # largest share of the sampled RoIs, as in every config's sampler


@dataclass(frozen=True)
class Size:
    """The size of a model in training."""

    parameters: int  # number of all parameters
    trainable: int  # number of parameters with a gradient
    # multiply-adds of ``backbone``, ``neck`` and ``rpn`` on an image of `IMAGE` (padded to the
    # model's divisor), and of ``box`` and ``mask`` for one RoI
    macs: dict[str, float]
    # bytes of activations that a training keeps for the backward pass of one image of ``train_px``,
    # including those of a checkpointed block while it is recomputed
    kept: int
    train_px: tuple[int, int]  # height and width of the largest training image, px

    def training_bytes(self, images: int) -> float:
        """Return the memory of one GPU: weights, gradients, buckets, momentum, and the images.

        All are in fp32. The framework, targets and the allocator's overhead are not included; see
        configs/preflight.yaml.
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
        image = padded(IMAGE, divisor)
        macs = self._once(
            [trunk, divisor],
            lambda: _macs(meta.measured(model, lambda: meta.trunk(model, 1, image))),
        )
        heads = meta.measured(model, lambda: meta.heads(model.roi_head, 1, 1))
        return Size(
            parameters=sum(p.numel() for p in parameters),
            trainable=sum(p.numel() for p in parameters if p.requires_grad),
            macs=macs | _macs(heads),
            kept=_kept(model, *px, _rois(cfg)),
            train_px=px,
        )

    def _once(self, what: Any, make: Callable[[], Any]) -> Any:
        key = json.dumps(what, sort_keys=True, default=str)
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def train_px(cfg: Config) -> tuple[int, int]:
    """Return height and width in px of the largest padded image of a training pipeline."""
    dataset = cfg.train_dataloader.dataset
    steps = {step["type"]: step for step in dataset.get("dataset", dataset).pipeline}
    if crop := steps.get("RandomCrop"):
        size = crop["crop_size"]
    else:
        size = max((min(s), max(s)) for s in steps["RandomChoiceResize"]["scales"])
    return padded(size, cfg.model.data_preprocessor.get("pad_size_divisor", 1))


def _rois(cfg: Config) -> int:
    rcnn = cfg.model.train_cfg.rcnn
    return (rcnn[0] if isinstance(rcnn, (list, tuple)) else rcnn).sampler.num


def _macs(parts: list[Part]) -> dict[str, float]:
    """Return the multiply-adds of each kind of part; the mask IoU head belongs to the masks."""
    macs: dict[str, float] = {}
    for part in parts:
        name = "mask" if part.name == "mask IoU" else part.name.lower()
        macs[name] = macs.get(name, 0) + part.macs
    return macs


def _kept(model: nn.Module, height: int, width: int, rois: int) -> int:
    model.train()
    meter = _Meter(model)
    with meta.as_on_gpus(meter.block), meter.counting():
        masks = round(_TWO * rois * POSITIVES)
        for _ in meta.whole(model, _TWO, (height, width), _TWO * rois, masks):
            pass
    return (meter.bytes + meter.again) // _TWO


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
