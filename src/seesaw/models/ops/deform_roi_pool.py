"""Deformable RoI pooling on every device: mmcv's kernel on CUDA, pure torch elsewhere.

mmcv compiles DeformRoIPool for CUDA only. The torch form writes each output bin as a weighted bag
of feature vectors (four corners of each sample) that ``embedding_bag`` sums, so that no sampled
feature is stored. Its offset gradient is exact everywhere; mmcv's kernel uses unclamped positions
and is wrong for samples in the outer half pixel of the map.
"""

import torch
import torch.nn.functional as F
from mmcv.ops import DeformRoIPool
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor


def _samples(start: Tensor, bin_size: Tensor, grid: int, size: int) -> tuple[Tensor, Tensor]:
    """Bilinear neighbours along one axis of the ``grid`` samples of each bin.

    Args:
        start: (K, h, w) first edge of each bin, in cells of the feature map.
        bin_size: (K,) side of the bins.
        grid: samples per bin.
        size: cells of the feature map along this axis.

    Returns:
        indices and weights, each (K, h, w, grid, 2); weights are zero outside [-1, size].
    """
    steps = (torch.arange(grid, device=start.device, dtype=start.dtype) + 0.5) / grid
    position = start[..., None] + bin_size[:, None, None, None] * steps
    inside = (position >= -1) & (position <= size)
    position = position.clamp(0, size - 1)
    low = position.detach().floor().clamp(max=max(size - 2, 0))
    fraction = position - low
    indices = torch.stack([low, (low + 1).clamp(max=size - 1)], -1).long()
    return indices, torch.stack([1 - fraction, fraction], -1) * inside[..., None]


def deform_roi_pool(
    features: Tensor,
    rois: Tensor,
    offset: Tensor | None,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    gamma: float = 0.1,
) -> Tensor:
    """Average-pool bilinear samples of each RoI bin, every bin shifted by its own offset.

    Same values as mmcv's CUDA kernel (mmcv deform_roi_pool_cuda_kernel.cuh): half-pixel aligned
    as RoIAlign(aligned=True), zero outside [-1, H] x [-1, W]. A constant offset moves the RoI.

    Args:
        features: (N, C, H, W), float32 or float64.
        rois: (K, 5) as (image index, x1, y1, x2, y2) in image pixels.
        offset: (K, 2, h, w), x then y, in units of ``gamma`` times the RoI's width and height;
            None for no shift.
        output_size: (h, w) bins.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 takes ``ceil(bin side)`` of each RoI.
        gamma: scale of the offset.

    Returns:
        (K, C, h, w), differentiable with respect to ``features`` and ``offset``.
    """
    (rows, columns), (height, width) = output_size, features.shape[-2:]
    start = rois[:, 1:3] * spatial_scale - 0.5
    size = rois[:, 3:5] * spatial_scale - 0.5 - start
    bins = size / size.new_tensor([columns, rows])
    x = start[:, 0, None] + bins[:, 0, None] * torch.arange(columns, device=rois.device)
    y = start[:, 1, None] + bins[:, 1, None] * torch.arange(rows, device=rois.device)
    x, y = torch.broadcast_tensors(x[:, None], y[:, :, None])
    if offset is not None:
        shift = gamma * size[:, :, None, None] * offset
        x, y = x + shift[:, 0], y + shift[:, 1]
    grids = (
        bins.ceil().clamp(min=0)
        if sampling_ratio <= 0
        else bins.new_full(bins.shape, sampling_ratio)
    )
    table = features.permute(0, 2, 3, 1).flatten(0, 2)
    out = features.new_zeros(len(rois), rows, columns, features.shape[1])
    for grid in grids.unique(dim=0):
        if not grid.all():
            continue
        ids = (grids == grid).all(1).nonzero()[:, 0]
        (grid_x, grid_y), chosen = grid.int().tolist(), bins[ids]
        index_x, weight_x = _samples(x[ids], chosen[:, 0], grid_x, width)
        index_y, weight_y = _samples(y[ids], chosen[:, 1], grid_y, height)
        image = rois[ids, 0].long().mul(height * width).view(-1, 1, 1, 1, 1, 1, 1)
        index = image + index_y[..., None, None] * width + index_x[..., None, None, :, :]
        weight = weight_y[..., None, None] * weight_x[..., None, None, :, :] / (grid_x * grid_y)
        bags = F.embedding_bag(
            index.flatten(0, 2).flatten(1),
            table,
            mode="sum",
            per_sample_weights=weight.flatten(0, 2).flatten(1),
        )
        out[ids] = bags.view(len(ids), rows, columns, -1)
    return out.permute(0, 3, 1, 2).contiguous()


class DeformRoIPoolAny(DeformRoIPool):
    """mmcv's DeformRoIPool that also runs without CUDA; computes in at least float32.

    Args:
        output_size: (h, w) bins, or one int for both.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 adapts to the RoI.
        gamma: scale of the offset.
    """

    def forward(self, input: Tensor, rois: Tensor, offset: Tensor | None = None) -> Tensor:
        """Pool ``input`` (N, C, H, W) at ``rois`` (K, 5); see :func:`deform_roi_pool`."""
        dtype = torch.promote_types(input.dtype, torch.float32)
        input, rois = input.to(dtype), rois.to(dtype)
        offset = offset if offset is None else offset.to(dtype)
        if input.is_cuda:
            return super().forward(input, rois, offset)
        return deform_roi_pool(
            input,
            rois,
            offset,
            self.output_size,
            self.spatial_scale,
            self.sampling_ratio,
            self.gamma,
        )


def deform_roi_extract(
    extractor: SingleRoIExtractor,
    feats: tuple[Tensor, ...],
    rois: Tensor,
    offset: Tensor,
    gamma: float = 0.1,
) -> Tensor:
    """Deformable pooling with the levels, output size and sampling of a ``SingleRoIExtractor``.

    The level of each RoI is that of ``rois`` before the shift (TSD chooses it from the proposal,
    not from the shifted one). With a zero offset the result is ``extractor(feats, rois)`` if its
    layers are aligned RoIAlign. Coordinates stay float32 where the extractor would round them to
    the features' half precision.

    Args:
        extractor: source of strides, level rule, output size and sampling ratio.
        feats: one (N, C, H_i, W_i) per level of the extractor.
        rois: (K, 5) as (image index, x1, y1, x2, y2) in image pixels.
        offset: (K, 2, h, w), x then y, in units of ``gamma`` times the RoI's width and height.
        gamma: scale of the offset.

    Returns:
        (K, C, h, w).
    """
    dtype = torch.promote_types(feats[0].dtype, torch.float32)
    layers = extractor.roi_layers[: len(feats)]
    out = feats[0].new_zeros(len(rois), feats[0].shape[1], *layers[0].output_size, dtype=dtype)
    rois = rois.to(dtype)
    levels = extractor.map_roi_levels(rois, len(feats))
    for level, (layer, feat) in enumerate(zip(layers, feats, strict=True)):
        pool = DeformRoIPoolAny(layer.output_size, layer.spatial_scale, layer.sampling_ratio, gamma)
        ids = (levels == level).nonzero()[:, 0]
        if len(ids):
            out[ids] = pool(feat, rois[ids], offset[ids])
        else:
            # Every level stays in the graph, as DistributedDataParallel needs.
            out = out + feat.sum() * 0.0
    return out
