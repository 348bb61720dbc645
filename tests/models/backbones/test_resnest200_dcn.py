"""ResNeSt-200 with DCNv2 (supplementary, section 4.2): mmdet's backbone needs only a config."""

import torch
from mmcv.ops import ModulatedDeformConv2dPack
from mmdet.registry import MODELS

RESNEST200_DCN = dict(
    type="ResNeSt",
    depth=200,
    stem_channels=128,
    radix=2,
    reduction_factor=4,
    avg_down_stride=True,
    num_stages=4,
    out_indices=(0, 1, 2, 3),
    frozen_stages=1,
    norm_cfg=dict(type="SyncBN", requires_grad=True),
    norm_eval=False,
    style="pytorch",
    dcn=dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
    stage_with_dcn=(False, True, True, True),
    with_cp=True,
)


def deforms(module):
    return [m for m in module.modules() if isinstance(m, ModulatedDeformConv2dPack)]


def build(**switches):
    return MODELS.build(RESNEST200_DCN | switches)


def test_offsets_start_at_zero_and_the_narrow_backbone_runs():
    torch.manual_seed(0)
    backbone = build(base_channels=8, stem_channels=16)
    backbone.init_weights()
    assert len(deforms(backbone)) == 63
    assert all(p.abs().max() == 0 for m in deforms(backbone) for p in m.conv_offset.parameters())
    backbone.train()
    outs = backbone(torch.randn(2, 3, 64, 64))
    assert [tuple(o.shape) for o in outs] == [
        (2, c, s, s) for c, s in ((32, 16), (64, 8), (128, 4), (256, 2))
    ]
    sum(o.square().mean() for o in outs).backward()
    frozen = {n for n, p in backbone.named_parameters() if p.grad is None}
    assert frozen and all(n.startswith(("stem.", "layer1.")) for n in frozen)
    assert any(m.conv_offset.weight.grad.abs().max() > 0 for m in deforms(backbone))
