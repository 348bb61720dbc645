"""CARAFE up and down against literal loops over the kernel's definition, closed forms, counts."""

import pytest
import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from torch import nn

from seesaw.models.ops.carafe import CARAFEAny, reassemble
from seesaw.models.ops.carafe_down import CARAFEDown

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def loop_reassemble(x, masks, k, groups, up, down):
    """Transcript of mmcv's carafe_naive_cuda_kernel.cuh; ``down`` moves the window's centre."""
    n, channels, height, width = x.shape
    out = x.new_zeros(n, channels, *masks.shape[2:])
    for b, c, py, px in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        cy, cx = py * down // up, px * down // up
        group = c // (channels // groups)
        for my in range(k):
            for mx in range(k):
                y, xx = cy + my - (k - 1) // 2, cx + mx - (k - 1) // 2
                if 0 <= y < height and 0 <= xx < width:
                    out[b, c, py, px] += (
                        x[b, c, y, xx] * masks[b, (group * k + my) * k + mx, py, px]
                    )
    return out


@pytest.mark.parametrize(
    ("k", "groups", "up", "down"),
    [
        (3, 1, 1, 1),
        (5, 1, 2, 1),
        (3, 2, 2, 1),
        (3, 4, 3, 1),
        (5, 1, 1, 2),
        (3, 2, 1, 2),
        (5, 4, 1, 3),
    ],
)
def test_reassemble_is_the_kernels_loop(k, groups, up, down):
    gen = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 4, 5, dtype=torch.float64, generator=gen)
    height, width = -(-4 // down) * up, -(-5 // down) * up
    masks = torch.randn(1, groups * k * k, height, width, dtype=torch.float64, generator=gen)
    difference = reassemble(x, masks, k, groups, up, down) - loop_reassemble(
        x, masks, k, groups, up, down
    )
    assert difference.abs().max() < 1e-14


@pytest.mark.parametrize(("up", "down"), [(2, 1), (1, 2)])
def test_reassemble_gradients(up, down):
    gen = torch.Generator().manual_seed(1)
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=gen, requires_grad=True)
    shape = (-(-3 // down) * up, -(-4 // down) * up)
    masks = torch.randn(1, 18, *shape, dtype=torch.float64, generator=gen, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: reassemble(a, b, 3, 2, up, down), (x, masks))


def test_constant_map_stays_constant_inside_and_falls_at_the_border():
    torch.manual_seed(0)
    ones = torch.ones(1, 8, 12, 12)
    up = CARAFEAny(8, 2)(ones)
    assert up.shape == (1, 8, 24, 24)
    assert torch.allclose(up[..., 4:-4, 4:-4], torch.ones(16, 16), atol=1e-6)
    down = CARAFEDown(8)
    nn.init.zeros_(down.content_encoder.weight)
    out = down(ones)
    assert torch.allclose(out[..., 1:-1, 1:-1], torch.ones(4, 4), atol=1e-6)
    # No renormalisation: 9 of the 25 equal weights lie inside at the corner.
    assert torch.allclose(out[..., 0, 0], torch.tensor(9 / 25), atol=1e-6)


@pytest.mark.parametrize("shape", [(41, 39), (8, 8), (1, 5), (64, 1)])
def test_down_has_the_size_of_a_strided_conv(shape):
    conv = nn.Conv2d(4, 4, 3, stride=2, padding=1)
    x = torch.zeros(2, 4, *shape)
    assert CARAFEDown(4)(x).shape == conv(x).shape


def test_down_windows_are_a_softmax_and_the_switches_change_the_output():
    torch.manual_seed(0)
    x = torch.randn(1, 8, 10, 10)
    down = CARAFEDown(8, compressed_channels=4)
    masks = down.kernel_normalizer(down.content_encoder(down.channel_compressor(x)))
    assert masks.shape == (1, 25, 5, 5)
    assert torch.allclose(masks.sum(1), torch.ones(1, 5, 5), atol=1e-6)
    assert torch.equal(down(x), reassemble(x, masks, 5, down=2))
    assert CARAFEDown(8, scale_factor=3)(x).shape == (1, 8, 4, 4)
    assert count(CARAFEDown(8, down_kernel=3, encoder_kernel=1)) == (8 * 16 + 16) + (16 * 9 + 9)
    assert count(CARAFEDown(8, down_group=2)) == (8 * 16 + 16) + (16 * 9 * 50 + 50)


def test_under_autocast_the_result_keeps_the_precision_of_the_features():
    torch.manual_seed(0)
    x = torch.randn(1, 8, 6, 6)
    for pack in (CARAFEAny(8, 2), CARAFEDown(8)):
        want = pack(x)
        with torch.autocast("cpu", torch.bfloat16):
            out = pack(x)
        assert out.dtype == torch.float32 and (out - want).abs().max() < 0.02


def test_initialisation():
    torch.manual_seed(0)
    for pack in (CARAFEAny(256, 2), CARAFEDown(256)):
        assert pack.content_encoder.weight.std().item() == pytest.approx(1e-3, rel=0.05)
        fan = 256 + pack.compressed_channels
        bound = (6 / fan) ** 0.5
        assert 0.9 * bound < pack.channel_compressor.weight.abs().max().item() <= bound
        assert pack.content_encoder.bias.abs().max() == 0


def test_mask_head_takes_it_and_trains_on_cpu():
    torch.manual_seed(0)
    head = FCNMaskHead(
        num_convs=1,
        in_channels=8,
        conv_out_channels=8,
        num_classes=3,
        upsample_cfg=dict(
            type="carafe",
            scale_factor=2,
            up_kernel=5,
            up_group=1,
            encoder_kernel=3,
            encoder_dilation=1,
            compressed_channels=64,
        ),
    )
    head.init_weights()
    assert type(head.upsample) is CARAFEAny
    out = head(torch.randn(2, 8, 14, 14))
    assert out.shape == (2, 3, 28, 28)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in head.parameters())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("group", [1, 4])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float16, 1e-2)])
def test_the_pack_equals_the_loop_on_every_device(device, group, dtype, tolerance):
    gen = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 3, 5, generator=gen).to(dtype)
    masks = torch.randn(1, 9 * group, 6, 10, generator=gen)
    masks = masks.view(1, group, 9, 6, 10).softmax(2).flatten(1, 2).to(dtype)
    pack = CARAFEAny(4, 2, up_kernel=3, up_group=group)
    inputs = [t.to(device).requires_grad_() for t in (x, masks)]
    out = pack.feature_reassemble(*inputs)
    grads = torch.autograd.grad(out.float().square().sum(), inputs)
    exact = [t.double().requires_grad_() for t in (x, masks)]
    want = reassemble(*exact, 3, group, up=2)
    want_grads = torch.autograd.grad(want.square().sum(), exact)
    assert torch.allclose(want, loop_reassemble(x.double(), masks.double(), 3, group, 2, 1))
    for ours, expected in zip((out, *grads), (want, *want_grads), strict=True):
        assert torch.allclose(ours.cpu().double(), expected, atol=10 * tolerance, rtol=tolerance)


@pytest.mark.parametrize(("groups", "down"), [(1, 2), (2, 2), (1, 3)])
def test_down_is_every_nth_cell_of_a_reassembly_without_stride(groups, down):
    """As on CUDA, where mmcv's kernel has no stride."""
    torch.manual_seed(0)
    x = torch.randn(2, 4, 11, 14, dtype=torch.float64)
    masks = torch.randn(2, groups * 25, -(-11 // down), -(-14 // down), dtype=torch.float64)
    every = torch.zeros(2, groups * 25, 11, 14, dtype=torch.float64)
    every[..., ::down, ::down] = masks
    whole = reassemble(x, every, 5, groups)[..., ::down, ::down]
    torch.testing.assert_close(whole, reassemble(x, masks, 5, groups, down=down))


def test_no_rois_give_no_maps_and_zero_gradients():
    module = CARAFEAny(8, scale_factor=2)
    x = torch.zeros(0, 8, 14, 14, requires_grad=True)
    out = module(x)
    assert out.shape == (0, 8, 28, 28)
    out.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in module.parameters())
    assert x.grad.shape == x.shape
