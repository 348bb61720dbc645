"""What Figure A1's cumulative gradients cost: their share of a training iteration's CPU time.

The paper's Mask R-CNN R101 with LVIS's classes, forward and backward on random images with both
losses; the gradients are those that the hook adds up in a training.
"""

import time

import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.registry import init_default_scope
from report import arguments, median_cpu_seconds, row

from seesaw.spec import experiments
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training.gradients import absolute_gradients


def main() -> None:
    """Measure and print."""
    full = arguments(__doc__, "two images of 800 x 1,333 px").parse_args().full
    torch.set_num_threads(1)
    height, width, images = (800, 1333, 2) if full else (320, 480, 1)
    for loss in ("ce", "seesaw"):
        measure(loss, height, width, images)


def measure(loss: str, height: int, width: int, images: int) -> None:
    """One iteration and its gradients."""
    file = experiments.load().training(f"mask_rcnn_random_{loss}").config
    config = resolve(file, Scale("paper"))
    config.model.backbone.init_cfg = None
    init_default_scope(config.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    classes = config.model.roi_head.bbox_head.num_classes
    shapes = [[3, height, width]] * images
    data = demo_mm_inputs(images, shapes, num_classes=classes, with_mask=True)
    data = model.data_preprocessor(data, True)
    calls: list[tuple] = []
    model.roi_head.bbox_head.loss_cls.register_forward_hook(
        lambda loss, given, named, _: calls.append((loss, *given, named["avg_factor"])),
        with_kwargs=True,
    )
    start = time.process_time()
    total, _ = model.parse_losses(model(**data, mode="loss"))
    total.backward()
    iteration = time.process_time() - start
    gradients = median_cpu_seconds(lambda: absolute_gradients(*calls[-1]), 5)
    what = f"Cumulative gradients with {loss}, {len(calls[-1][2]):,} RoIs: share of an iteration"
    row(what, 100 * gradients / iteration, "%", at_most=2)


if __name__ == "__main__":
    main()
