"""A ResNeSt whose residual blocks start as identities."""

import torch
from mmdet.models.backbones import ResNeSt
from mmdet.models.backbones.resnest import Bottleneck
from mmengine.model import revert_sync_batchnorm

from seesaw.models.backbones.zero_init_resnest import ZeroInitResNeSt

SMALL = dict(depth=50, base_channels=8, stem_channels=16, norm_cfg=dict(type="BN"))


def build(kind=ZeroInitResNeSt, **options):
    torch.manual_seed(0)
    net = revert_sync_batchnorm(kind(**SMALL, **options))
    net.init_weights()
    net.eval()
    return net


def blocks(net):
    return [m for m in net.modules() if isinstance(m, Bottleneck)]


def test_each_block_starts_as_an_identity():
    net = build()
    assert len(blocks(net)) == 3 + 4 + 6 + 3
    x = torch.rand(2, 32, 12, 12)
    plain = net.layer1[1]  # without a change of size
    assert torch.equal(plain(x), x)
    assert not torch.equal(build(ResNeSt).layer1[1](x), x)


def test_loaded_weights_stay(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(build(ResNeSt).state_dict(), path)
    net = build(init_cfg=dict(type="Pretrained", checkpoint=str(path)))
    assert all((block.norm3.weight == 1).all() for block in blocks(net))


def test_the_weights_have_the_same_names():
    assert build(ResNeSt).state_dict().keys() == build().state_dict().keys()
