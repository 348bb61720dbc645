"""Measure how many images a second a training's loader delivers, with its real pipeline."""

from __future__ import annotations

import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from seesaw.core import stopping
from seesaw.training.train import loader_options

# As in LVIS v1 train: px of COCO's most frequent image, and objects an image.
LONG, SHORT, OBJECTS = 640, 480, 13
PICTURES, SEED = 24, 0


def measure(
    cfg: Config, workers: int, real: bool, images: int = 2, seconds: float = 10.0
) -> dict[str, Any]:
    """Measure a config's training loader.

    Args:
        cfg: a resolved config.
        workers: processes that load images.
        real: whether the config's dataset exists; if not, random JPEGs of LVIS's sizes are made.
        images: images of a batch.
        seconds: duration of the measurement, after a warm-up in which the loader's queue fills.

    Returns:
        ``images_per_second``, ``workers`` and ``data`` (``real`` or ``random``).
    """
    init_default_scope(cfg.default_scope)
    with tempfile.TemporaryDirectory() as folder:
        dataset = DATASETS.build(
            cfg.train_dataloader.dataset if real else _random(cfg, Path(folder))
        )
        loader = Runner.build_dataloader(loader_options(cfg, dataset, SEED, images, workers))
        try:
            iterator = iter(loader)
            for _ in range(2 * workers + 1):
                next(iterator)
            start, count = time.perf_counter(), 0
            while (passed := time.perf_counter() - start) < seconds:
                next(iterator)
                count += images
        finally:
            stopping.end_workers(loader)
    rate = round(count / passed, 2)
    return dict(images_per_second=rate, workers=workers, data="real" if real else "random")


def _random(cfg: Config, folder: Path) -> dict:
    """Make JPEGs of LVIS's sizes with annotations; return a dataset with the config's pipeline."""
    rng = np.random.default_rng(SEED)
    pictures: list[dict] = []
    annotations: list[dict] = []
    for number in range(1, PICTURES + 1):
        # every fourth is a portrait
        height, width = (LONG, SHORT) if number % 4 == 0 else (SHORT, LONG)
        coarse = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        name = f"{number}.jpg"
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (width, height)))
        pictures.append(dict(id=number, file_name=name, height=height, width=width))
        for _ in range(OBJECTS):
            w, h = np.exp(rng.uniform(math.log(0.04), math.log(0.6), 2)) * SHORT
            x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
            angle = np.arange(0, 2 * math.pi, 0.2)
            outline = np.stack(
                [x + w / 2 * (1 + np.cos(angle)), y + h / 2 * (1 + np.sin(angle))], 1
            )
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=1,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                    segmentation=[outline.ravel().tolist()],
                )
            )
    content = dict(images=pictures, annotations=annotations, categories=[dict(id=1, name="object")])
    (folder / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
    dataset = cfg.train_dataloader.dataset
    return dict(
        type="CocoDataset",
        data_root=str(folder),
        ann_file="annotations.json",
        data_prefix=dict(img=""),
        metainfo=dict(classes=("object",)),
        pipeline=dataset.get("dataset", dataset).pipeline,
    )
