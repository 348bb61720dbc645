"""mmcv's operators on the CPU against ours, alone and in a training step of the mini scale.

Forward and backward. Values and gradients of both are compared first. A step is that of the rung's
detector, with the mini scale's sizes, random weights and random images; in the peer's, RoIAlign and
DCNv2 are mmcv's. Deformable RoI pooling has no peer: mmcv has no kernel for CPUs.
"""

from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
from mmcv.ops import ModulatedDeformConv2dPack, RoIAlign
from report import arguments, median_cpu_seconds, row
from torch import Tensor, nn

from seesaw.evaluation.measure import Trainer
from seesaw.models.ops.deform_conv import DeformConvAny
from seesaw.models.ops.roi_align import RoIAlignAny
from seesaw.spec import experiments
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale

IMAGES, ROIS, CHANNELS, SIDE = 6, 32, 32, 32


def step(layer: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """The layer's output, then the gradients of its sum of squares."""
    out = layer(*inputs)
    wanted = [x for x in (*inputs, *layer.parameters()) if x.requires_grad]
    return [out, *torch.autograd.grad(out.square().sum(), wanted)]


def compare(what: str, ours: Callable, theirs: Callable, repeats: int) -> None:
    """Print the row of two functions that return the same tensors."""
    for a, b in zip(ours(), theirs(), strict=True):
        if not torch.allclose(a, b, rtol=1e-4, atol=1e-4 * b.abs().max().item()):
            raise SystemExit(f"{what}: ours differs from mmcv's")
    seconds = [median_cpu_seconds(each, repeats) * 1e3 for each in (ours, theirs)]
    row(what, seconds[0], "ms", seconds[1], "mmcv")


def operators(repeats: int) -> None:
    """RoIAlign at the box head's and the mask head's size, and DCNv2."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, generator=generator, requires_grad=True)
    corner = torch.rand(IMAGES * ROIS, 2, generator=generator) * 80
    side = torch.rand(IMAGES * ROIS, 2, generator=generator) * 40 + 8
    image = torch.arange(IMAGES).repeat_interleave(ROIS)[:, None]
    rois = torch.cat([image, corner, corner + side], 1)
    for size in (7, 14):
        pair = [kind(size, 0.25, 0) for kind in (RoIAlignAny, RoIAlign)]
        ours, theirs = (partial(step, layer, features, rois) for layer in pair)
        compare(f"RoIAlign to {size} x {size}, {IMAGES * ROIS} RoIs", ours, theirs, repeats)
    pair = [kind(CHANNELS, CHANNELS, 3, padding=1) for kind in (DeformConvAny, PlainDeformConv)]
    nn.init.normal_(pair[0].conv_offset.weight, std=0.05)
    pair[1].load_state_dict(pair[0].state_dict())
    ours, theirs = (partial(step, layer, features) for layer in pair)
    compare(f"DCNv2, {CHANNELS} channels, {SIDE} x {SIDE} cells", ours, theirs, repeats)


class PlainDeformConv(ModulatedDeformConv2dPack):
    """mmcv's DCNv2 as it is."""


def rungs(steps: int) -> None:
    """A training step of rungs with mmcv's RoIAlign and DCNv2, and with ours."""
    table, scale = experiments.load(), Scale("mini")
    for name in ("a01_mask_rcnn", "a06_mask_scoring", "a09_stronger_backbone"):
        trainer = Trainer(resolve(table.evaluations[name].config_path, scale))
        ours, theirs = [], []
        for _ in range(3):  # alternating
            ours.append(trainer.measure(IMAGES, steps=steps)["seconds_per_image"])
            with (
                patch.object(RoIAlignAny, "forward", RoIAlign.forward),
                patch.object(DeformConvAny, "forward", ModulatedDeformConv2dPack.forward),
            ):
                theirs.append(trainer.measure(IMAGES, steps=steps)["seconds_per_image"])
        what = f"Training step of {name} (mini scale), an image"
        row(what, min(ours) * 1e3, "ms", min(theirs) * 1e3, "mmcv's operators")


if __name__ == "__main__":
    full = arguments(__doc__, "more repeats").parse_args().full
    torch.set_num_threads(1)
    operators(20 if full else 5)
    rungs(10 if full else 3)
