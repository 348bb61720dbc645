"""The switches that make a GPU faster: TF32, mixed precision, channels-last, a fused optimiser.

Each switch is off by default, and each is stored in a training's record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from mmdet.models.layers import NormedConv2d, NormedLinear
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn

from seesaw.models.mask_heads.class_indexed import ClassIndexedConv2d
from seesaw.models.ops.carafe import CARAFEAny
from seesaw.models.ops.carafe_down import CARAFEDown
from seesaw.models.ops.deform_conv import DeformConvAny

Precision = Literal["fp32", "tf32", "tf32-matmul", "bf16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)

# mmcv's kernels have no bfloat16 form; normalised predictors multiply a cosine by 20, which
# bfloat16 would round to multiples of 1/8.
_FULL_PRECISION = (
    DeformConvAny,
    CARAFEAny,
    CARAFEDown,
    NormedLinear,
    NormedConv2d,
    ClassIndexedConv2d,
)
# Their outputs become RoI features, box coordinates and losses.
_FLOAT_OUTPUTS = ("neck", "rpn_head", "bbox_head", "mask_head", "mask_iou_head", "glbctx_head")


@dataclass(frozen=True)
class Switches:
    """The options for computation on a GPU.

    Attributes:
        precision: ``fp32``: float32 everywhere. ``tf32``: convolutions may use TF32, which is
            PyTorch's default; matrix products stay float32. ``tf32-matmul``: matrix products too,
            of which DCNv2 and fully connected layers consist. ``bf16``: convolutions and matrix
            products in bfloat16; losses, predictors with normalised weights, RoI features and box
            coordinates in float32.
        channels_last: the memory order of convolutions.
        fused: one kernel updates all weights.
        deterministic: use only deterministic kernels; PyTorch then refuses some operators. It has
            no effect on mmcv's kernels, whose order of summation varies.
    """

    precision: Precision = "tf32"
    channels_last: bool = False
    fused: bool = False
    deterministic: bool = False

    def facts(self) -> dict[str, Any]:
        """Return the switches for a record; empty without a GPU."""
        return {"gpu_switches": asdict(self)} if torch.cuda.is_available() else {}

    def set_up(self) -> None:
        """Set whether this process may use TF32."""
        torch.backends.cuda.matmul.allow_tf32 = self.precision == "tf32-matmul"
        torch.backends.cudnn.allow_tf32 = self.precision != "fp32"

    def model(self, model: nn.Module) -> nn.Module:
        """Prepare a model in place and return it."""
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        if self.precision == "bf16":
            _prepare_for_bfloat16(model)
        return model

    def optimizer(self, wrapper: dict) -> dict:
        """Return an optimiser wrapper's config with these switches."""
        wrapper = dict(wrapper)
        if self.fused:
            wrapper["optimizer"] = dict(wrapper["optimizer"], fused=True)
        if self.precision == "bf16":
            wrapper["type"] = "Bfloat16OptimWrapper"
        return wrapper

    def inference(self, device: str) -> AbstractContextManager:
        """Return the context manager for a detector's inference."""
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(device, torch.bfloat16)


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """The forward pass under autocast; bfloat16 has float32's range, so no loss scale is needed.

    mmengine's ``AmpOptimWrapper`` keeps a loss scaler and refuses to run without a GPU.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter mmengine's context and autocast."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


def _prepare_for_bfloat16(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, _FULL_PRECISION):
            module.forward = _in_float32(module.forward)  # type: ignore[method-assign]
        part = name.rsplit(".", 1)[-1]
        within_list = name.count(".") and name.split(".")[-2] in _FLOAT_OUTPUTS
        if part in _FLOAT_OUTPUTS or (within_list and part.isdigit()):
            module.register_forward_hook(lambda _module, _inputs, output: _float(output))


def _in_float32(forward):
    def run(*inputs, **options):
        (device,) = {x.device.type for x in inputs if isinstance(x, Tensor)}
        with torch.autocast(device, enabled=False):
            return forward(*(_float(x) for x in inputs), **options)

    return run


def _float(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.dtype == torch.bfloat16 else value
    if isinstance(value, (list, tuple)):
        return type(value)(_float(item) for item in value)
    return value


def for_device(model: nn.Module) -> nn.Module:
    """Move a model to the GPU, or, without one, replace its SyncBN, which needs a GPU, by BN."""
    if torch.cuda.is_available():
        return model.cuda()
    return revert_sync_batchnorm(model)
