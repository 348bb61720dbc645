"""Enhanced FPG: sizes, parameter totals, initialisation, and parity with mmdet's FPG."""

from functools import cache

import pytest
import torch
from mmcv.ops import ModulatedDeformConv2dPack
from mmdet.models.necks.fpg import FPG
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.utils import get_installed_path
from torch import nn

from seesaw.errors import UserError
from seesaw.models.necks.enhanced_fpg import EnhancedFPG
from seesaw.models.ops.carafe_down import CARAFEDown

R50 = [256, 512, 1024, 2048]
BN = dict(type="BN", requires_grad=True)


def count(module):
    return sum(p.numel() for p in module.parameters())


@cache
def wide(**switches):
    with torch.device("meta"):
        return EnhancedFPG(R50, **switches)


def small(**switches):
    torch.manual_seed(0)
    neck = EnhancedFPG([8, 8, 8, 8], 8, stack_times=5, **(dict(norm_cfg=BN) | switches))
    neck.init_weights()
    return neck


def features(size=64):
    gen = torch.Generator().manual_seed(0)
    return [torch.randn(2, 8, size >> i, size >> i, generator=gen) for i in range(4)]


def test_switches_change_the_parameters_as_computed():
    def total(**switches):
        return count(EnhancedFPG([16] * 4, 16, stack_times=2, **switches))

    # The last pathway has four steps up and down, the first only the step down to the top level.
    deforms, downs = 4, 5
    default, plain = total(), total(down="conv", deform_groups=0)
    offset = 16 * 27 * 9 + 27
    assert total(down="conv") - plain == deforms * offset
    assert total(down="conv", deform_groups=2) - plain == deforms * 2 * offset
    down = (16 + 1) * 16 + (16 * 9 + 1) * 25
    assert default - total(down="conv") == downs * down
    assert default - total(down="carafe_down_1x1") == downs * 16 * 16 * 8
    assert default - total(down="carafe_down") == downs * (16 * 16 * 9 + 2 * 16)
    assert total(compressed_channels=64) - default == downs * 48 * (16 + 1 + 9 * 25)


def test_without_the_changes_it_is_the_shipped_fpg():
    path = f"{get_installed_path('mmdet')}/.mim/configs/fpg/mask-rcnn_r50_fpg_crop640-50e_coco.py"
    with torch.device("meta"):
        shipped = MODELS.build(Config.fromfile(path).model.neck)
    ours = wide(down="conv", deform_groups=0)
    assert type(shipped) is FPG and shipped.skip_inds == ours.skip_inds
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (shipped, ours)]
    assert shapes[0] == shapes[1]
    assert any(isinstance(m, nn.SyncBatchNorm) for m in ours.modules())


def test_initialisation_keeps_zero_offsets_and_carafe_encoders():
    """FPG's own would draw both anew."""
    neck = small()
    deforms = [m for m in neck.modules() if isinstance(m, ModulatedDeformConv2dPack)]
    assert deforms and all(p.abs().max() == 0 for m in deforms for p in m.conv_offset.parameters())
    encoders = [m.content_encoder for m in neck.modules() if isinstance(m, CARAFEDown)]
    weights = torch.cat([m.weight.flatten() for m in encoders])
    assert weights.std().item() == pytest.approx(1e-3, rel=0.05)
    # A second call must not undo training.
    nn.init.ones_(deforms[0].conv_offset.weight)
    neck.init_weights()
    assert deforms[0].conv_offset.weight.min() == 1


@pytest.mark.parametrize("down", ["conv", "carafe_down_conv", "carafe_down_1x1", "carafe_down"])
def test_output_shapes_and_gradients(down):
    neck = small(down=down, norm_cfg=dict(type="SyncBN", requires_grad=True))
    outs = neck(features())
    assert [tuple(o.shape) for o in outs] == [(2, 8, s, s) for s in (64, 32, 16, 8, 4)]
    sum(o.square().sum() for o in outs).backward()
    assert [n for n, p in neck.named_parameters() if p.grad is None] == []


def test_switches_change_the_output():
    outs = [
        small(**s).eval()(features())[2]
        for s in (dict(), dict(down="carafe_down"), dict(down="conv"), dict(deform_groups=0))
    ]
    assert all(not torch.allclose(a, b) for i, a in enumerate(outs) for b in outs[:i])


def test_zero_offset_deformable_convs_with_doubled_weights_are_the_plain_convs():
    """sigmoid(0) = 1/2 modulates each tap, so twice the weight gives the convolution back."""
    deformed, plain = (small(down="conv", deform_groups=g).double().eval() for g in (1, 0))
    state = plain.state_dict()
    for name, module in deformed.named_modules():
        if isinstance(module, ModulatedDeformConv2dPack):
            state[f"{name}.weight"] = 2 * state[f"{name}.weight"]
    missing, unexpected = deformed.load_state_dict(state, strict=False)
    assert unexpected == [] and all("conv_offset" in key for key in missing)
    inputs = [f.double() for f in features()]
    for ours, want in zip(deformed(inputs), plain(inputs), strict=True):
        assert torch.allclose(ours, want, atol=1e-10)
        assert want.abs().max() > 0.1


def test_shallow_grids_keep_a_whole_last_pathway():
    for depth in (1, 2, 3):
        neck = EnhancedFPG([8, 8, 8, 8], 8, stack_times=depth, norm_cfg=BN)
        assert [len(level) for level in neck.fpn_transitions[-1]] == [6] * 5
        assert len(neck(features())) == 5


def test_a_size_that_does_not_fit_and_an_unknown_switch_are_told_in_a_sentence():
    with pytest.raises(UserError, match=r"56 x 56 .*\b16\b.*pad_size_divisor"):
        small()(features(56))
    with pytest.raises(UserError, match=r"neck\.down .*'maxpool'.*carafe_down, carafe"):
        EnhancedFPG([8], 8, down="maxpool")
    with pytest.raises(UserError, match=r"'carafe_down' .*\b8 .*\b4\b.*'carafe_down_conv'"):
        EnhancedFPG([8] * 4, 4, stack_times=5, down="carafe_down", inter_channels=[8, 4, 4, 4, 4])
