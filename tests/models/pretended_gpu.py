"""A pretended GPU: tensors that are on another device as far as Python and autograd can tell.

The values are computed on the CPU. As on a real GPU, tensors of two devices cannot be combined and
a tensor has no `numpy()`. Each operation for which a GPU's host waits is noted with its caller.
mmcv's compiled operators are replaced at their Python functions, where each has a CUDA form.
The device must be registered before torch's first backward pass, hence a process of its own.
"""

import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

import mmcv.ops
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from seesaw.models.ops import carafe, deform_conv, roi_pool

NAME = "pretended"
_setup_privateuseone_for_python_backend(NAME)
GPU = torch.device(NAME, 0)
CPU = torch.device("cpu")
aten = torch.ops.aten
# The host needs the number or the values of the result.
WAITS = {
    aten._local_scalar_dense, aten.equal, aten.nonzero, aten.masked_select, aten.bincount,
    aten._unique2, aten.unique_consecutive, aten.unique_dim, aten.is_nonzero,
}  # fmt: skip
# May combine devices: copies, and indices that lie on the CPU.
COMBINE = {aten.copy_, aten._to_copy, aten.index, aten.index_put, aten.index_put_}
COMBINE |= {aten._index_put_impl_}
noted: list[str] = []


class OnGPU(torch.Tensor):
    """A tensor on the pretended GPU; ``inner`` has its values."""

    is_cuda, is_cpu = True, False

    @staticmethod
    def __new__(cls, inner):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=GPU,
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return computed(func, args, kwargs or {})

    def tolist(self):
        note("tolist")
        return self.inner.tolist()


class Everywhere(TorchDispatchMode):
    """Also tensors that are made from no other reach `computed`."""

    def __enter__(self):
        torch._C._set_only_lift_cpu_tensors(True)  # lists become tensors on the CPU, then move
        return super().__enter__()

    def __exit__(self, *error):
        torch._C._set_only_lift_cpu_tensors(False)
        return super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return computed(func, args, kwargs or {})


def computed(func, args, options):
    """Compute an operation on the inner tensors; raise as a GPU would, and note what waits."""
    owners, here, there = {}, [], []

    def inner(value):
        if isinstance(value, OnGPU):
            owners[id(value.inner)] = value
            there.append(value)
            return value.inner
        if isinstance(value, torch.Tensor) and value.dim():  # a number may come from anywhere
            here.append(value)
        return value

    given, named = tree_map(inner, args), tree_map(inner, options)
    kind = func.overloadpacket
    if there and here and kind not in COMBINE:
        raise RuntimeError(f"{func}: tensors on {GPU} and on the CPU")
    target = named.get("device")
    if there and (kind in WAITS or reads(kind, args, target)):
        note(str(kind))
    if target is not None:
        named["device"] = CPU
    on_gpu = bool(there) if target is None else torch.device(target).type == NAME
    if kind is aten.copy_ or kind in (aten.index_put_, aten._index_put_impl_):
        on_gpu = isinstance(args[0], OnGPU)

    def outer(value):
        if not isinstance(value, torch.Tensor):
            return value
        if on_gpu:
            return owners[id(value)] if id(value) in owners else OnGPU(value)
        return value

    return tree_map(outer, func(*given, **named))


def reads(kind, args, target) -> bool:
    """Whether an operation copies to the host, or selects by a mask, whose hits must be counted."""
    if kind is aten._to_copy:
        return target is not None and torch.device(target).type == "cpu"
    if kind is aten.copy_:
        return not isinstance(args[0], OnGPU)
    masks = [i for i in args[1] if i is not None] if kind in COMBINE and len(args) > 1 else []
    masked = any(i.dtype in (torch.bool, torch.uint8) for i in masks)
    fills = kind in (aten.index_put_, aten._index_put_impl_) and args[2].numel() == 1
    return masked and not (fills and len(masks) == 1)


def note(what: str) -> None:
    """Note an operation with the innermost caller outside of torch."""
    for frame in reversed(traceback.extract_stack()):
        name = frame.filename
        if "/torch/" not in name and name != __file__:
            parts = Path(name).parts
            roots = [i for i, p in enumerate(parts) if p in ("mmdet", "mmcv", "mmengine", "seesaw")]
            noted.append(f"{'/'.join(parts[roots[-1] if roots else -1 :])}:{frame.name} {what}")
            return


class Border(torch.autograd.Function):
    """A compiled operator: computed on the CPU, with its gradient, behind its Python function."""

    @staticmethod
    def forward(ctx, run, *inputs):
        given = [x.inner if isinstance(x, OnGPU) else x for x in inputs]
        given = [
            x.detach().requires_grad_(x.is_floating_point()) if isinstance(x, torch.Tensor) else x
            for x in given
        ]
        with torch.enable_grad():
            ctx.out = run(*given)
        ctx.given = given
        return OnGPU(ctx.out.detach().clone())

    @staticmethod
    def backward(ctx, grad):
        wanted = [x for x in ctx.given if isinstance(x, torch.Tensor) and x.requires_grad]
        found = torch.autograd.grad(ctx.out, wanted, grad.inner, allow_unused=True)
        grads = iter(OnGPU(g) if g is not None else None for g in found)
        return None, *(next(grads) if any(x is w for w in wanted) else None for x in ctx.given)


def _nms(dets, scores, **options):
    note("mmcv nms")
    return OnGPU(NMS.nms(dets.inner, scores.inner, **options))


def _carafe(x, masks, kernel, groups, scale):
    return Border.apply(lambda x, m: carafe.reassemble(x, m, kernel, groups, up=scale), x, masks)


def _roi_align(x, rois, size, scale, ratio, mode, aligned):
    return Border.apply(lambda x, r: ROI_ALIGN(x, r, size, scale, ratio, mode, aligned), x, rois)


def _deform_roi_pool(x, rois, offset, size, scale, ratio, gamma):
    def run(x, rois, offset):
        return roi_pool.pool(x, rois, size, scale, ratio, offset, gamma)

    return Border.apply(run, x, rois, offset)


def _deform_conv(x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups):
    assert bias is None
    pair = torch.nn.modules.utils._pair

    def run(x, offset, mask, weight):
        sizes = pair(stride), pair(padding), pair(dilation), groups, deform_groups
        return deform_conv.sampled_deform_conv(x, offset, mask, weight, *sizes)

    return Border.apply(run, x, offset, mask, weight)


NMS = sys.modules["mmcv.ops.nms"].ext_module
ROI_ALIGN = mmcv.ops.roi_align


def install() -> None:
    """Replace mmcv's compiled operators, and let mmengine index with these tensors."""
    sys.modules["mmengine.structures.instance_data"].IndexType |= OnGPU
    sys.modules["mmcv.ops.nms"].ext_module = SimpleNamespace(nms=_nms)
    sys.modules["mmcv.ops.carafe"].carafe = _carafe
    for name in ("mmcv.ops.roi_align", "mmdet.structures.mask.structures"):
        sys.modules[name].roi_align = _roi_align
    sys.modules["mmcv.ops.deform_roi_pool"].deform_roi_pool = _deform_roi_pool
    sys.modules["mmcv.ops.modulated_deform_conv"].modulated_deform_conv2d = _deform_conv


def moved(model: torch.nn.Module) -> torch.nn.Module:
    """Put a model's weights and buffers on the pretended GPU, as `model.cuda()` does."""
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                value = torch.nn.Parameter(OnGPU(weight.detach()), weight.requires_grad)
                module._parameters[name] = value
        for name, buffer in module._buffers.items():
            module._buffers[name] = buffer if buffer is None else OnGPU(buffer)
    model.data_preprocessor._device = GPU
    return model
