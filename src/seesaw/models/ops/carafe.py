"""CARAFE on every device: mmcv's kernel on CUDA, a pure-torch reassembly elsewhere.

mmcv compiles CARAFE for CUDA only (myownskyW7/CARAFE#5), also its ``CARAFENaive``. The torch form
adds k x k shifted copies of the input, each times its slice of the kernel map, so that it needs no
k*k-fold unfolded copy of the features.
"""

from itertools import product

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
    n, c, h, w = features.shape
    radius = kernel_size // 2
    padded = F.pad(features, [radius] * 4).unflatten(1, (group_size, c // group_size))
    rows, columns = masks.shape[2] // up, masks.shape[3] // up
    # Autocast may hand over masks of another precision than the features.
    masks = masks.to(features.dtype).reshape(n, group_size, kernel_size**2, rows, up, columns, up)
    out = features.new_zeros(n, group_size, c // group_size, rows, up, columns, up)
    for (dy, dx), mask in zip(product(range(kernel_size), repeat=2), masks.unbind(2), strict=True):
        window = padded[..., dy : dy + h : down, dx : dx + w : down]
        out = out.addcmul_(window[..., :, None, :, None], mask[:, :, None])
    return out.reshape(n, c, rows * up, columns * up)


@MODELS.register_module(name="carafe", force=True)
class CARAFEAny(CARAFEPack):
    """CARAFE upsampling in the mask head (supplementary, section 4.2) on CPU and GPU.

    Registered over mmcv's ``carafe`` in the root registry because ``FCNMaskHead`` accepts only
    that name; parameters, initialisation and CUDA results are mmcv's. (N, C, H, W) ->
    (N, C, H * scale_factor, W * scale_factor).
    """

    def feature_reassemble(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reassemble ``x`` with the normalised kernels ``mask``."""
        if x.is_cuda:
            return super().feature_reassemble(x, mask)
        return reassemble(x, mask, self.up_kernel, self.up_group, up=self.scale_factor)
