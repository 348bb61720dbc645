"""Random batches with the shapes of a config's real batches, for measurements and tests.

No dataset is needed. An image has as many objects as in LVIS v1 on average, and enough proposals
overlap them for the samplers to find as many positives as with a trained RPN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmdet.models.backbones.resnest import SplitAttentionConv2d
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

import seesaw.models  # noqa: F401  (registers)
from seesaw.models.precision import for_device

OBJECTS = 13  # an image of LVIS v1 train: 1,270,141 annotations in 99,388 images
LVIS_IMAGE = (480, 640)  # px, COCO's most frequent image
_EACH = 20  # proposals on an object
_JITTER = 0.03  # of a box's side; IoU stays above 0.8, over every stage's threshold


def typical_px(cfg: Config) -> tuple[int, int]:
    """Return height and width in px of a 3:4 training image of the pipeline's medium size."""
    dataset = cfg.train_dataloader.dataset
    steps = {step["type"]: step for step in dataset.get("dataset", dataset).pipeline}
    if resize := steps.get("RandomResize"):
        low, high = (ratio * max(resize["scale"]) for ratio in resize["ratio_range"])
        longer = (low + high) / 2
        if crop := steps.get("RandomCrop"):
            longer = min(longer, max(crop["crop_size"]))
        return round(longer * 3 / 4), round(longer)
    shorts = [min(scale) for scale in steps["RandomChoiceResize"]["scales"]]
    short = sum(shorts) / len(shorts)
    return round(short), round(short * 4 / 3)


def build(cfg: Config, seed: int = 0, train: bool = True) -> nn.Module:
    """Build a config's detector with random weights, on the GPU if there is one.

    The backbone's batch statistics are those of a random image with its padding, so that features
    have a normal magnitude without training.
    """
    init_default_scope(cfg.default_scope)
    MMLogger.get_instance("measure", log_level="WARNING")  # otherwise it logs a line per weight
    torch.manual_seed(seed)
    config = cfg.model.copy()
    config.backbone = config.backbone.copy()
    config.backbone.init_cfg = None
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = MODELS.build(config)
        model.init_weights()
    model = for_device(model)
    data = view(cfg, seed)
    if not isinstance(data["inputs"][0], Tensor):  # several views, of which the first is taken
        data = {key: list(views[0]) for key, views in data.items()}
    _calibrate(model.backbone, model.data_preprocessor(data)["inputs"])
    return model.train() if train else model.eval()


@torch.no_grad()
def _calibrate(backbone: nn.Module, images: Tensor) -> None:
    # Split attention normalises one value an image and channel, which has no statistics.
    pooled = {m.norm1 for m in backbone.modules() if isinstance(m, SplitAttentionConv2d)}
    norms = [m for m in backbone.modules() if isinstance(m, _BatchNorm)]
    before = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train(norm not in pooled)
    backbone(images)
    for norm, (momentum, training) in zip(norms, before, strict=True):
        norm.momentum = momentum
        norm.train(training)


def batch(cfg: Config, images: int, px: tuple[int, int], seed: int = 0) -> dict:
    """Return a training batch as from a loader: on the CPU, 8-bit images, bitmap masks.

    ``px`` is the height and width of each image.
    """
    generator = np.random.default_rng(seed)
    heads = cfg.model.roi_head.bbox_head
    classes = (heads[0] if isinstance(heads, list) else heads).num_classes
    inputs, samples = [], []
    for number in range(images):
        image = generator.integers(0, 256, (3, *px), dtype=np.uint8)
        inputs.append(torch.from_numpy(image))
        samples.append(_annotated(generator, px, classes, number))
    return dict(inputs=inputs, data_samples=samples)


def _annotated(
    generator: np.random.Generator, px: tuple[int, int], classes: int, number: int
) -> DetDataSample:
    height, width = px
    # as in COCO, the square root of an object's area is log-uniform
    side = np.exp(generator.uniform(math.log(0.04), math.log(0.6), OBJECTS)) * min(px)
    ratio = np.exp(generator.uniform(-0.5, 0.5, OBJECTS))
    w, h = np.minimum(side * ratio, width - 2), np.minimum(side / ratio, height - 2)
    x, y = generator.uniform(0, width - w), generator.uniform(0, height - h)
    boxes = np.stack([x, y, x + w, y + h], axis=1).astype(np.float32)
    rows, columns = np.ogrid[:height, :width]
    masks = np.stack(
        [
            ((rows - (a + c / 2)) / (c / 2)) ** 2 + ((columns - (b + d / 2)) / (d / 2)) ** 2 <= 1
            for b, a, d, c in zip(x, y, w, h, strict=True)
        ]
    )
    sample = DetDataSample(
        metainfo=dict(
            img_id=number,
            img_shape=px,
            ori_shape=px,
            pad_shape=px,
            batch_input_shape=px,
            scale_factor=(1.0, 1.0),
            flip=False,
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.from_numpy(boxes),
        labels=torch.from_numpy(generator.integers(0, classes, OBJECTS)),
        masks=BitmapMasks(masks.astype(np.uint8), height, width),
    )
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    return sample


@contextmanager
def proposals_on_objects(model: nn.Module) -> Iterator[None]:
    """Replace the last proposals of a random RPN by boxes on objects, as a trained RPN gives."""
    rpn = model.rpn_head
    original = rpn.loss_and_predict

    def loss_and_predict(x, batch_data_samples, proposal_cfg=None):
        losses, results = original(x, batch_data_samples, proposal_cfg=proposal_cfg)
        for result, sample in zip(results, batch_data_samples, strict=True):
            boxes = _jittered(sample.gt_instances.bboxes.to(result.bboxes))
            boxes = boxes[: len(result.bboxes)]
            if len(boxes):
                result.bboxes[-len(boxes) :] = boxes
        return losses, results

    rpn.loss_and_predict = loss_and_predict
    try:
        yield
    finally:
        del rpn.loss_and_predict


def _jittered(boxes: Tensor) -> Tensor:
    boxes = boxes.repeat(_EACH, 1)
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + (2 * torch.rand_like(boxes) - 1) * _JITTER * sides


def view(cfg: Config, seed: int = 0, px: tuple[int, int] = LVIS_IMAGE) -> dict:
    """Return a random image as a batch from the config's test pipeline, with its augmentation."""
    init_default_scope(cfg.default_scope)
    image = np.random.default_rng(seed).integers(0, 256, (*px, 3), dtype=np.uint8)
    load, *rest = cfg.test_dataloader.dataset.pipeline
    assert load["type"] == "LoadImageFromFile", load
    pipeline = Compose([dict(type="LoadImageFromNDArray"), *(dict(step) for step in rest)])
    return pseudo_collate([pipeline(dict(img=image, img_id=seed, img_path="random"))])
