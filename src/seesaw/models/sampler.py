"""mmdet's random sampler, which draws on the device of what it samples."""

import torch
from mmdet.models.task_modules.samplers import RandomSampler
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module(name="RandomSampler", force=True)
class RandomSamplerAny(RandomSampler):
    """``RandomSampler`` without a permutation of all anchors on the CPU for each image.

    mmdet draws on the CPU because of an error of PyTorch 1 (open-mmlab/mmdetection#5014). On an
    H200 these draws were a tenth of the host's time in Mask R-CNN's step. Registered under mmdet's
    name, so that mmdet's configs need no change; on a CPU the samples are mmdet's.
    """

    def random_choice(self, gallery: Tensor, num: int) -> Tensor:
        """Return ``num`` different entries of ``gallery``, (num,)."""
        if not (isinstance(gallery, Tensor) and gallery.is_cuda):
            return super().random_choice(gallery, num)
        return gallery[torch.randperm(len(gallery), device=gallery.device)[:num]]
