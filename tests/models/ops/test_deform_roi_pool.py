"""Deformable RoI pooling against mmcv's kernel in words of one loop, RoIAlign, and gradcheck."""

import math

import pytest
import torch
from mmcv.ops import RoIAlign
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

from seesaw.models.ops.deform_roi_pool import DeformRoIPoolAny, deform_roi_extract
from seesaw.models.ops.roi_pool import pool

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
DOUBLE = torch.float64
# inside; overlapping the border; narrower than a bin; outside; of no width
ROIS = torch.tensor(
    [
        [0, 8, 4, 50, 40],
        [1, -20, -9, 60, 70],
        [0, 30, 20, 31, 60],
        [1, 300, 300, 340, 320],
        [0, 20, 20, 20, 40],
    ],
    dtype=DOUBLE,
)


def random_inputs(offset_scale=3.0):
    gen = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 9, 11, dtype=DOUBLE, generator=gen)
    offset = torch.randn(len(ROIS), 2, 3, 4, dtype=DOUBLE, generator=gen) * offset_scale
    return features, ROIS, offset


def bilinear(plane, y, x):
    """Transcript of mmcv's bilinear_interpolate (common_cuda_helper.hpp)."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = max(y, 0), max(x, 0)
    y0, x0 = min(int(y), height - 1), min(int(x), width - 1)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    ly, lx = (y - y0) * (y1 > y0), (x - x0) * (x1 > x0)
    top = (1 - lx) * plane[y0, x0] + lx * plane[y0, x1]
    return (1 - ly) * top + ly * ((1 - lx) * plane[y1, x0] + lx * plane[y1, x1])


def loop_pool(features, rois, offset, output_size, scale, ratio, gamma):
    """Transcript of mmcv's deform_roi_pool_cuda_kernel.cuh."""
    rows, columns = output_size
    out = features.new_zeros(len(rois), features.shape[1], rows, columns)
    for k, c, i, j in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        image, x1, y1, x2, y2 = rois[k].tolist()
        width, height = (x2 - x1) * scale, (y2 - y1) * scale
        ny, nx = ratio or math.ceil(height / rows), ratio or math.ceil(width / columns)
        left = x1 * scale - 0.5 + gamma * width * offset[k, 0, i, j].item()
        top = y1 * scale - 0.5 + gamma * height * offset[k, 1, i, j].item()
        for iy in range(ny):
            for ix in range(nx):
                y = top + (i + (iy + 0.5) / ny) * height / rows
                x = left + (j + (ix + 0.5) / nx) * width / columns
                out[k, c, i, j] += bilinear(features[int(image), c], y, x) / (ny * nx)
    return out


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ratio", [0, 1, 2])
def test_equals_the_kernels_loop(device, ratio):
    features, rois, offset = random_inputs()
    pool = DeformRoIPoolAny((3, 4), 0.125, ratio, 0.1)
    out = pool(features.to(device), rois.to(device), offset.to(device))
    want = loop_pool(features, rois, offset, (3, 4), 0.125, ratio, 0.1)
    assert (out.cpu() - want).abs().max() < 1e-14
    assert want.abs().max() > 0.1


@pytest.mark.parametrize("ratio", [0, 2])
def test_zero_offset_is_aligned_roi_align(ratio):
    features, rois, offset = random_inputs()
    want = RoIAlign((3, 4), 0.125, ratio, aligned=True)(features, rois)
    for zero in (None, torch.zeros_like(offset)):
        out = pool(features, rois, (3, 4), 0.125, ratio, zero)
        assert (out - want).abs().max() < 1e-14


def test_constant_offset_is_roi_align_of_the_shifted_roi():
    features, rois, offset = random_inputs()
    shift = torch.tensor([1.5, -2.5], dtype=DOUBLE)
    offset = shift.view(1, 2, 1, 1).expand_as(offset)
    sides = rois[:, 3:] - rois[:, 1:3]
    moved = rois + torch.cat([torch.zeros(len(rois), 1), *[0.2 * shift * sides] * 2], 1)
    want = RoIAlign((3, 4), 0.125, 2, aligned=True)(features, moved)
    out = pool(features, rois, (3, 4), 0.125, 2, offset, 0.2)
    assert (out - want).abs().max() < 1e-14


@pytest.mark.parametrize("ratio", [0, 2])
def test_gradients_of_features_and_offset(ratio):
    features, rois, offset = random_inputs(offset_scale=0.5)
    features, rois, offset = (
        features[:, :1, :5, :6].clone(),
        rois[1:3],
        offset[1:3, :, :2, :2].clone(),
    )
    features.requires_grad_()
    offset.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f, o: pool(f, rois, (2, 2), 0.0625, ratio, o, 0.1), (features, offset)
    )


def test_half_precision_is_computed_in_float32():
    features, rois, offset = random_inputs()
    pool = DeformRoIPoolAny((3, 4), 0.125, 2)
    out = pool(features.half(), rois.half(), offset.half())
    assert out.dtype == torch.float32
    assert (out - pool(features, rois, offset)).abs().max() < 0.01


def test_no_rois():
    out = pool(torch.zeros(1, 4, 8, 8), torch.zeros(0, 5), (7, 7))
    assert out.shape == (0, 4, 7, 7)


def pyramid():
    gen = torch.Generator().manual_seed(0)
    feats = [torch.randn(2, 6, s, s, generator=gen) for s in (64, 32, 16, 8)]
    rois = torch.tensor(
        [[0, 10, 10, 60, 70], [1, 0, 0, 130, 120], [0, 5.5, 9, 240, 250], [1, 3, 3, 30, 20]]
    )
    layer = dict(type="RoIAlign", output_size=7, sampling_ratio=2)
    return feats, rois, SingleRoIExtractor(layer, 6, [4, 8, 16, 32])


def test_extract_with_zero_offset_is_the_extractor():
    feats, rois, extractor = pyramid()
    assert set(extractor.map_roi_levels(rois, 4).tolist()) == {0, 1, 2}
    out = deform_roi_extract(extractor, feats, rois, torch.zeros(4, 2, 7, 7))
    assert torch.allclose(out, extractor(feats, rois), atol=1e-6)
    one_level = SingleRoIExtractor(dict(type="RoIAlign", output_size=7, sampling_ratio=0), 6, [8])
    out = deform_roi_extract(one_level, feats[1:2], rois, torch.zeros(4, 2, 7, 7))
    assert torch.allclose(out, one_level(feats[1:2], rois), atol=1e-6)


def test_extract_takes_the_level_of_the_unshifted_roi_and_gamma():
    feats, rois, extractor = pyramid()
    offset = torch.full((4, 2, 7, 7), 2.0)
    out = deform_roi_extract(extractor, feats, rois, offset, gamma=0.05)
    for k, level in enumerate(extractor.map_roi_levels(rois, 4).tolist()):
        scale = 1 / (4 << level)
        want = pool(feats[level], rois[k : k + 1], (7, 7), scale, 2, offset[:1], 0.05)
        assert torch.allclose(out[k : k + 1], want, atol=1e-6)


def test_extract_keeps_unused_levels_in_the_graph_and_half_features_exact():
    feats, rois, extractor = pyramid()
    feats = [f.requires_grad_() for f in feats]
    deform_roi_extract(extractor, feats, rois, torch.zeros(4, 2, 7, 7)).sum().backward()
    assert feats[3].grad is not None and feats[3].grad.abs().max() == 0
    assert feats[0].grad.abs().max() > 0
    halves = [f.detach().half() for f in feats]
    far = torch.tensor([[0, 5.3, 9.7, 201.4, 250.6]])
    out = deform_roi_extract(extractor, halves, far, torch.zeros(1, 2, 7, 7))
    want = extractor([f.float() for f in halves], far)
    assert out.dtype == torch.float32 and torch.allclose(out, want, atol=1e-6)
