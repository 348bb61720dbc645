"""ResNeSt for trainings from scratch."""

from mmdet.models.backbones import ResNeSt
from mmdet.models.backbones.resnest import Bottleneck
from mmdet.registry import MODELS
from torch import nn


@MODELS.register_module()
class ZeroInitResNeSt(ResNeSt):
    """mmdet's ``ResNeSt`` whose residual blocks start as identities, as those of its ``ResNet`` do.

    mmdet documents ``zero_init_residual=True`` for both, but sets the last norm of a block to zero
    only if the block's class is its ``ResNet``'s own (``if block is Bottleneck``, since
    https://github.com/open-mmlab/mmdetection/pull/4750), which ResNeSt's is not. Without it, the
    stand-in of 50 layers has learnt far less when its short pre-training ends. Pre-trained weights
    are loaded unchanged.
    """

    def init_weights(self) -> None:
        """Initialise all layers; a block's last norm is zero unless weights are loaded."""
        super().init_weights()
        if "Pretrained" not in str(self.init_cfg):
            for block in self.modules():
                if isinstance(block, Bottleneck):
                    nn.init.zeros_(block.norm3.weight)
