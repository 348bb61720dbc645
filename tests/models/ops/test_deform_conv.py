"""Our CPU form of DCNv2 against mmcv's kernel: outputs and all gradients."""

import pytest
import torch
from mmcv.ops import modulated_deform_conv2d
from mmengine.registry import MODELS
from torch.nn.functional import conv2d

import seesaw.models  # noqa: F401
from seesaw.models.ops.deform_conv import DeformConvAny, sampled_deform_conv

CASES = [(1, 1, 1, 1, 1), (2, 1, 1, 2, 1), (1, 2, 2, 1, 2), (2, 1, 1, 2, 2)]


# zero and whole offsets, where the samples have a kink, and fractions of pixels
@pytest.mark.parametrize("size", [(9, 11), (8, 16), (25, 42)])
@pytest.mark.parametrize("draw", [torch.zeros_like, torch.round, lambda offset: offset])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups", "deform_groups"), CASES)
def test_equals_mmcvs_kernel(stride, padding, dilation, groups, deform_groups, draw, size):
    torch.manual_seed(0)
    x = torch.randn(2, 8, *size)
    weight = torch.randn(6, 8 // groups, 3, 3)
    h, w = conv2d(x, weight, None, stride, padding, dilation, groups).shape[2:]
    # offsets of several pixels reach beyond the border
    offset = draw(4 * torch.randn(2, deform_groups * 18, h, w))
    mask = torch.rand(2, deform_groups * 9, h, w)
    inputs = [t.requires_grad_() for t in (x, offset, mask, weight)]
    ours = sampled_deform_conv(
        *inputs, (stride,) * 2, (padding,) * 2, (dilation,) * 2, groups, deform_groups
    )
    theirs = modulated_deform_conv2d(
        *inputs, None, stride, padding, dilation, groups, deform_groups
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    upstream = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, upstream),
        torch.autograd.grad(theirs, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_module_reads_offsets_in_the_order_of_mmcvs():
    torch.manual_seed(0)
    ours = MODELS.build(dict(type="DCNv2", in_channels=4, out_channels=5, kernel_size=3, padding=1))
    assert type(ours) is DeformConvAny
    torch.nn.init.normal_(ours.conv_offset.weight, std=0.3)
    x = torch.randn(2, 4, 7, 6)
    theirs = super(DeformConvAny, ours).forward(x)
    torch.testing.assert_close(ours(x), theirs, rtol=1e-4, atol=1e-4)
