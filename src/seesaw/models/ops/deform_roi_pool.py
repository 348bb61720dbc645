"""Deformable RoI pooling on every device: mmcv's kernel on CUDA, ours on CPUs.

mmcv compiles DeformRoIPool for CUDA only.
"""

import torch
from mmcv.ops import DeformRoIPool
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor

from seesaw.models.ops.roi_pool import pool


class DeformRoIPoolAny(DeformRoIPool):
    """mmcv's DeformRoIPool that also runs without CUDA; computes in at least float32.

    Args:
        output_size: (h, w) bins, or one int for both.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 adapts to the RoI.
        gamma: scale of the offset.
    """

    def forward(self, input: Tensor, rois: Tensor, offset: Tensor | None = None) -> Tensor:
        """Pool ``input`` (N, C, H, W) at ``rois`` (K, 5); see `seesaw.models.ops.roi_pool.pool`."""
        dtype = torch.promote_types(input.dtype, torch.float32)
        input, rois = input.to(dtype), rois.to(dtype)
        offset = offset if offset is None else offset.to(dtype)
        if input.is_cuda:
            return super().forward(input, rois, offset)
        return pool(
            input,
            rois,
            self.output_size,
            self.spatial_scale,
            self.sampling_ratio,
            offset,
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
