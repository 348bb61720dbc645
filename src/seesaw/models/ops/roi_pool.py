"""RoI pooling on CPUs: the values of mmcv's RoIAlign and DeformRoIPool, many times faster.

Features lie channels last, so that all channels of a cell are read at once, and a bin's samples
form a grid: the weight of a cell is the product of one weight for its row and one for its column.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seesaw.core.jit import njit


def pool(
    features: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    offset: Tensor | None = None,
    gamma: float = 0.1,
) -> Tensor:
    """Average-pool bilinear samples of each RoI bin; each bin may be shifted by its own offset.

    Half-pixel aligned as RoIAlign(aligned=True), zero outside [-1, H] x [-1, W]. A constant offset
    moves the RoI. With an offset the values are those of mmcv's deform_roi_pool_cuda_kernel.cuh,
    and the offset's gradient is exact everywhere; mmcv's kernel uses unclamped positions there and
    is wrong for samples in the outer half pixel of the map.

    Args:
        features: (N, C, H, W) on a CPU, float32 or float64.
        rois: (K, 5) as (image index, x1, y1, x2, y2) in image pixels, of the same type.
        output_size: (h, w) bins.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 takes ``ceil(bin side)`` of each RoI.
        offset: (K, 2, h, w), x then y, in units of ``gamma`` times the RoI's width and height;
            None for no shift.
        gamma: scale of the offset.

    Returns:
        (K, C, h, w), differentiable with respect to ``features`` and ``offset``.
    """
    rois = rois.detach()
    start = rois[:, 1:3] * spatial_scale - 0.5
    size = rois[:, 3:5] * spatial_scale - 0.5 - start
    bins = size / size.new_tensor(output_size[::-1])
    grids = bins.ceil().clamp(min=0)
    if sampling_ratio > 0:
        grids = torch.full_like(bins, sampling_ratio)
    shift = size.new_zeros(len(rois), 2, 0, 0)
    if offset is not None:
        shift = gamma * size[:, :, None, None] * offset
    boxes = torch.cat((rois[:, :1], start, bins, grids), 1)
    return _Pool.apply(features, boxes, shift, tuple(output_size))


class _Pool(Function):
    """Differentiable with respect to features and shift, but not with respect to boxes."""

    @staticmethod
    def forward(ctx, features: Tensor, boxes: Tensor, shift: Tensor, bins: tuple[int, int]):
        table = features.detach().permute(0, 2, 3, 1).contiguous()
        boxes, moved = boxes.contiguous(), shift.detach().contiguous()
        out = table.new_empty(len(boxes), *bins, table.shape[3])
        _forward(table.numpy(), boxes.numpy(), moved.numpy(), out.numpy())
        ctx.save_for_backward(table, boxes, moved)
        return out.permute(0, 3, 1, 2).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        table, boxes, moved = ctx.saved_tensors
        grad = grad.permute(0, 2, 3, 1).contiguous()
        to_table, to_shift = torch.zeros_like(table), torch.zeros_like(moved)
        _backward(*(t.numpy() for t in (table, boxes, moved, grad, to_table, to_shift)))
        return to_table.permute(0, 3, 1, 2), None, to_shift, None


@njit()
def _axis(start, bin_size, grid, size, weight, slope):
    """Sum the bilinear weights of a bin's samples along one axis, and their slopes.

    Args:
        start: first edge of the bin, in cells.
        bin_size: side of the bin, in cells.
        grid: number of samples.
        size: number of cells of the feature map.
        weight: (size,) output.
        slope: (size,) output, the weights' derivative with respect to ``start``.

    Returns:
        the first cell with a weight, and the last one + 1.
    """
    weight[:] = slope[:] = 0
    first, last = size, 0
    for sample in range(grid):
        position = start + bin_size * ((sample + 0.5) / grid)
        if not -1 <= position <= size:  # also where it is not a number
            continue
        moves = 0 <= position <= size - 1
        position = min(max(position, 0), size - 1)
        low = min(int(position), max(size - 2, 0))
        high = min(low + 1, size - 1)
        weight[low] += (1 - (position - low)) / grid
        weight[high] += (position - low) / grid
        if moves:
            slope[low] -= 1 / grid
            slope[high] += 1 / grid
        first, last = min(first, low), max(last, high + 1)
    return first, last


@njit()
def _forward(table, boxes, shift, out):
    """Pool ``table`` (N, H, W, C) into ``out`` (K, h, w, C).

    ``boxes`` (K, 7) holds image index, first edge x, y, bin side x, y and samples per bin x, y;
    ``shift`` (K, 2, h, w) the bins' shifts x, y; both in cells. It is empty if no bin is shifted.
    """
    _, height, width, channels = table.shape
    moved = shift.size > 0
    y_weight, y_slope = np.empty(height, table.dtype), np.empty(height, table.dtype)
    x_slope = np.empty(width, table.dtype)
    x_weight = np.empty((out.shape[2], width), table.dtype)
    x_range = np.empty((out.shape[2], 2), np.int64)
    out[:] = 0
    for k in range(len(boxes)):
        image, x, y, x_side, y_side = boxes[k, :5]
        x_grid, y_grid = int(boxes[k, 5]), int(boxes[k, 6])
        top = bottom = 0
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                if moved or j == 0:
                    begin = y + y_side * i + (shift[k, 1, i, j] if moved else 0)
                    top, bottom = _axis(begin, y_side, y_grid, height, y_weight, y_slope)
                if moved or i == 0:
                    begin = x + x_side * j + (shift[k, 0, i, j] if moved else 0)
                    x_range[j] = _axis(begin, x_side, x_grid, width, x_weight[j], x_slope)
                for row in range(top, bottom):
                    for column in range(x_range[j, 0], x_range[j, 1]):
                        weight = y_weight[row] * x_weight[j, column]
                        cell, bin_ = table[int(image), row, column], out[k, i, j]
                        for c in range(channels):
                            bin_[c] += weight * cell[c]


@njit()
def _backward(table, boxes, shift, grad, to_table, to_shift):
    """Add the gradients of `_forward`, given that of its output, ``grad`` (K, h, w, C)."""
    _, height, width, channels = table.shape
    moved = shift.size > 0
    y_weight, y_slope = np.empty(height, table.dtype), np.empty(height, table.dtype)
    x_weight = np.empty((grad.shape[2], width), table.dtype)
    x_slope, x_range = np.empty(width, table.dtype), np.empty((grad.shape[2], 2), np.int64)
    for k in range(len(boxes)):
        image, x, y, x_side, y_side = boxes[k, :5]
        x_grid, y_grid = int(boxes[k, 5]), int(boxes[k, 6])
        top = bottom = 0
        for i in range(grad.shape[1]):
            for j in range(grad.shape[2]):
                if moved or j == 0:
                    begin = y + y_side * i + (shift[k, 1, i, j] if moved else 0)
                    top, bottom = _axis(begin, y_side, y_grid, height, y_weight, y_slope)
                if moved or i == 0:
                    begin = x + x_side * j + (shift[k, 0, i, j] if moved else 0)
                    x_range[j] = _axis(begin, x_side, x_grid, width, x_weight[j], x_slope)
                bin_ = grad[k, i, j]
                for row in range(top, bottom):
                    for column in range(x_range[j, 0], x_range[j, 1]):
                        weight = y_weight[row] * x_weight[j, column]
                        cell = to_table[int(image), row, column]
                        for c in range(channels):
                            cell[c] += weight * bin_[c]
                        if moved:
                            cell, product = table[int(image), row, column], 0.0
                            for c in range(channels):
                                product += cell[c] * bin_[c]
                            to_shift[k, 0, i, j] += y_weight[row] * x_slope[column] * product
                            to_shift[k, 1, i, j] += y_slope[row] * x_weight[j, column] * product
