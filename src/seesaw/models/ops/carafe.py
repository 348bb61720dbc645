"""CARAFE on every device: mmcv's kernel on CUDA, matrix products over unfolded windows elsewhere.

mmcv compiles CARAFE for CUDA only (myownskyW7/CARAFE#5), also its ``CARAFENaive``.
"""

import torch
import torch.nn.functional as F
from mmcv.ops import CARAFEPack
from mmengine.registry import MODELS
from torch import Tensor


def reassemble(
    features: Tensor,
    masks: Tensor,
    kernel_size: int,
    group_size: int = 1,
    up: int = 1,
    down: int = 1,
) -> Tensor:
    """Content-aware reassembly: each output cell is a weighted sum of a k x k window of the input.

    ``out[c, p] = sum_n features[c, p * down // up + n] * masks[n, p]`` with zeros outside the map,
    n over the window in row-major order; channel c reads the masks of group
    ``c // (C / group_size)`` (arXiv 1905.02188, Eqn 4; mmcv carafe_naive_cuda_kernel.cuh).

    Args:
        features: (N, C, H, W).
        masks: (N, group_size * kernel_size ** 2, H', W'); usually a softmax over each window.
        kernel_size: odd side k of the window.
        group_size: number of channel groups.
        up: integer upsampling ratio, H' = H * up.
        down: integer downsampling ratio, H' = ceil(H / down). One of ``up``, ``down`` must be 1.

    Returns:
        (N, C, H', W').
    """
    rows, columns = masks.shape[2] // up, masks.shape[3] // up
    # Autocast may hand over masks of another precision than the features.
    masks = masks.to(features.dtype).unflatten(1, (group_size, kernel_size**2))
    masks = masks.unflatten(4, (columns, up)).unflatten(3, (rows, up))
    padded = F.pad(features, [kernel_size // 2] * 4).unflatten(1, (group_size, -1))
    out = _unfolded(padded, masks, kernel_size, down)
    return out.flatten(5, 6).flatten(3, 4).flatten(1, 2)


def _unfolded(padded: Tensor, masks: Tensor, kernel_size: int, down: int) -> Tensor:
    """(N, G, C/G, H, W) padded, (N, G, k*k, h, s, w, s) masks -> (N, G, C/G, h, s, w, s)."""
    # Channels last: windows are copied in runs of C/G values, not one by one.
    last = padded.permute(0, 1, 3, 4, 2).contiguous()
    windows = last.unfold(2, kernel_size, down).unfold(3, kernel_size, down)
    windows = windows.permute(0, 1, 2, 3, 5, 6, 4).flatten(4, 5)  # (N, G, h, w, k*k, C/G)
    kernels = masks.permute(0, 1, 3, 5, 4, 6, 2).flatten(4, 5)  # (N, G, h, w, s*s, k*k)
    with torch.autocast("cpu", enabled=False):  # keep the precision of the features
        out = kernels @ windows
    return out.unflatten(4, (masks.shape[4],) * 2).permute(0, 1, 6, 2, 4, 3, 5)


@MODELS.register_module(name="carafe", force=True)
class CARAFEAny(CARAFEPack):
    """CARAFE upsampling in the mask head (supplementary, section 4.2) on CPU and GPU.

    Registered over mmcv's ``carafe`` in the root registry because ``FCNMaskHead`` accepts only
    that name; parameters, initialisation and CUDA results are mmcv's. (N, C, H, W) ->
    (N, C, H * scale_factor, W * scale_factor).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Upsample; no RoIs give no maps, where mmcv's reshape fails."""
        if x.shape[0]:
            return super().forward(x)
        height, width = (side * self.scale_factor for side in x.shape[2:])
        empty = x.new_zeros(0, x.shape[1], height, width)
        # Every parameter stays in the graph: DDP waits for all gradients.
        return empty + 0 * (x.sum() + sum(p.sum() for p in self.parameters()))

    def feature_reassemble(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reassemble ``x`` with the normalised kernels ``mask``."""
        if x.is_cuda:
            return super().feature_reassemble(x, mask)
        return reassemble(x, mask, self.up_kernel, self.up_group, up=self.scale_factor)
