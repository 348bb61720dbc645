"""Modulated deformable convolution (DCNv2): mmcv's kernel on CUDA, grid sampling on CPU.

mmcv's CPU kernel is a plain loop whose backward is eight times slower than torch's sampler; the
numbers and the gradients are the same, also at whole pixels, where each training starts.
"""

import torch
import torch.nn.functional as F
from mmcv.ops import ModulatedDeformConv2dPack
from mmengine.registry import MODELS
from torch import Tensor


def sampled_deform_conv(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    deform_groups: int,
) -> Tensor:
    """Deformable convolution without bias (Zhu et al., CVPR 2019, Eqn 1).

    Args:
        x: (N, C, H, W).
        offset: (N, D * k * k * 2, h, w), (y, x) of each kernel cell in pixels, D deform groups.
        mask: (N, D * k * k, h, w), modulation of each kernel cell.
        weight: (O, C / groups, k, k).
        stride: of the convolution.
        padding: of the convolution; samples outside the map are zero.
        dilation: of the convolution.
        groups: channel groups of the convolution.
        deform_groups: channel groups with offsets of their own.

    Returns:
        (N, O, h, w).
    """
    (n, c, height, width), (kh, kw) = x.shape, weight.shape[2:]
    rows, columns = offset.shape[2:]
    cells, maps = kh * kw, n * deform_groups
    offset = offset.reshape(maps, cells, 2, rows, columns)
    y = torch.arange(rows, device=x.device)[:, None] * stride[0] - padding[0]
    x0 = torch.arange(columns, device=x.device) * stride[1] - padding[1]
    ky = (torch.arange(kh, device=x.device) * dilation[0]).repeat_interleave(kw)[:, None, None]
    kx = (torch.arange(kw, device=x.device) * dilation[1]).repeat(kh)[:, None, None]
    y, x0 = offset[:, :, 0] + (y + ky), offset[:, :, 1] + (x0 + kx)
    # At whole pixels the gradient is the slope towards the next pixel. A side that is a power of
    # two keeps them whole; any other rounds some of them down, to the slope from the one before.
    high, wide = (1 << (side - 1).bit_length() for side in (height, width))
    x = F.pad(x, (0, wide - width, 0, high - height))
    grid = torch.stack([(2 * x0 + 1) / wide - 1, (2 * y + 1) / high - 1], dim=-1)
    sampled = F.grid_sample(
        x.reshape(maps, c // deform_groups, high, wide),
        grid.reshape(maps, cells * rows, columns, 2),
        align_corners=False,
    ).reshape(maps, -1, cells, rows, columns)
    # A sample one whole pixel before the map has no gradient in mmcv's kernel.
    mask = mask.reshape(maps, 1, cells, rows, columns) * ((y > -1) & (x0 > -1))[:, None]
    sampled = sampled * mask
    sampled = sampled.reshape(n, groups, c // groups * cells, rows * columns)
    kernel = weight.reshape(groups, weight.shape[0] // groups, -1)
    return (kernel @ sampled).reshape(n, -1, rows, columns)


@MODELS.register_module(name="DCNv2", force=True)
class DeformConvAny(ModulatedDeformConv2dPack):
    """mmcv's ``DCNv2`` with the same parameters and results, fast on CPU too."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, h, w)."""
        if x.is_cuda:
            return super().forward(x)
        y, x0, mask = self.conv_offset(x).chunk(3, dim=1)
        out = sampled_deform_conv(
            x,
            torch.cat((y, x0), dim=1),
            mask.sigmoid(),
            self.weight,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.deform_groups,
        )
        return out if self.bias is None else out + self.bias.view(1, -1, 1, 1)
