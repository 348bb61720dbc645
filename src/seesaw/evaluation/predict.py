"""Detect on any images; write one picture and one COCO-style file for each."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import mmcv
import numpy as np
import torch
from mmdet.datasets import LVISV1Dataset
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from pycocotools import mask as rle

from seesaw.core.borders import drawing, plain
from seesaw.core.files import replacing, write_atomic
from seesaw.core.integrity import read_output
from seesaw.errors import UserError
from seesaw.evaluation.detect import build_model
from seesaw.evaluation.images import outputs
from seesaw.evaluation.paste import rle_masks
from seesaw.spec.datasets import DatasetEntry
from seesaw.spec.outputs import Counts

LEGIBLE = 640  # px; the picture of a smaller image is enlarged, as its labels would hide it
DRAWN = 2**29  # pixels of masks drawn at once, for each of which mmdet needs five bytes


class Prediction(NamedTuple):
    """The files of one image, and the number of their detections."""

    json: Path
    picture: Path
    detections: int
    drawn: int


def names_of(entry: DatasetEntry) -> list[str]:
    """Return names by label: the dataset's, LVIS v1's if their number fits, else category ids."""
    if entry.category_counts.is_file():
        rows = read_output(entry.category_counts, Counts)["categories"]
        return [str(row.get("name", row["id"])) for row in sorted(rows, key=lambda row: row["id"])]
    known = LVISV1Dataset.METAINFO["classes"]
    every = range(1, entry.classes + 1)
    return list(known) if entry.classes == len(known) else [str(i) for i in every]


def check_sizes(images: Sequence[Path], pipeline: Compose) -> None:
    """Check that a test pipeline takes all images.

    Raises:
        UserError: resizing leaves nothing of an image.
    """
    for path in images:
        try:
            pipeline(dict(img_path=str(path), img_id=0))
        except cv2.error:
            height, width = mmcv.imread(path).shape[:2]
            raise UserError(
                f"{path} has {width} x {height} pixels, of which no row or column is left when it "
                "is resized for the model; leave it out or crop it."
            ) from None


@torch.no_grad()
def predict(
    cfg: Config,
    weights: Path,
    images: Sequence[Path],
    out: Path,
    names: Sequence[str],
    score: float = 0.3,
) -> Iterator[Prediction]:
    """Detect on each image with a config's model, test pipeline and test-time augmentation.

    ``images`` are those that `seesaw.evaluation.images.check_images` takes. ``out`` gets
    ``<stem>.json`` with all detections and ``<stem>.png`` with those of at least ``score``.
    ``names`` are those of the categories by label.

    Yields:
        A `Prediction` for each image, once its files are written.

    Raises:
        UserError: an image or the weights cannot be used; no file is written in this case.
    """
    init_default_scope(cfg.default_scope)
    pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
    check_sizes(images, pipeline)
    model = build_model(cfg, weights)
    if "tta_model" in cfg:
        model = MODELS.build(cfg.tta_model, default_args=dict(module=model))
    out.mkdir(parents=True, exist_ok=True)
    with rle_masks(model):
        for number, path in enumerate(images, start=1):
            sample = pipeline(dict(img_path=str(path), img_id=number))
            (found,) = model.test_step(pseudo_collate([sample]))
            yield _write(path, number, found, out, names, score)


def _write(
    path: Path, number: int, found: DetDataSample, out: Path, names: Sequence[str], score: float
) -> Prediction:
    height, width = found.ori_shape
    instances = found.pred_instances
    boxes, scores = instances.bboxes.cpu().numpy(), instances.scores.cpu().numpy()
    labels, masks = instances.labels.cpu().numpy(), list(instances.masks)  # run lengths, in text
    ranks = instances.mask_scores.cpu().numpy() if "mask_scores" in instances else scores
    content = {
        "images": [{"id": number, "file_name": str(path), "height": height, "width": width}],
        "categories": [{"id": int(c) + 1, "name": names[c]} for c in np.unique(labels)],
        "annotations": [
            {
                "id": i + 1,
                "image_id": number,
                "category_id": int(labels[i]) + 1,
                "bbox": [round(float(v), 2) for v in (*boxes[i, :2], *boxes[i, 2:] - boxes[i, :2])],
                "area": int(rle.area(mask)),
                "iscrowd": 0,
                "segmentation": mask,
                "score": float(scores[i]),
                "mask_score": float(ranks[i]),
            }
            for i, mask in enumerate(masks)
        ],
    }
    files = outputs(path, out)
    shown = [i for i in range(len(masks)) if scores[i] >= score]
    picture = _drawn(path, shown, boxes, scores, labels, masks, names)
    write_atomic(files[0], json.dumps(content) + "\n")
    with replacing(files[1]) as part:
        part.write_bytes(picture)
    return Prediction(*files, len(masks), len(shown))


def _drawn(path: Path, shown: list[int], boxes, scores, labels, masks, names) -> bytes:
    """Draw the shown detections on the image and return it as PNG.

    Where their masks have more than `DRAWN` pixels, some are drawn after the others, over them.
    """
    image = mmcv.imread(str(path), channel_order="rgb")
    zoom = max(LEGIBLE // max(image.shape[:2]), 1)
    image = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
    height, width = image.shape[:2]
    most = max(DRAWN // (height * width), 1)
    with drawing(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of boxes that reach over the border
        visualizer = DetLocalVisualizer()
        visualizer.dataset_meta = dict(classes=[plain(n) for n in names], palette="random")
        for start in range(0, max(len(shown), 1), most):
            some = shown[start : start + most]
            bits = np.zeros((len(some), height, width), bool)
            for bit, i in zip(bits, some, strict=True):
                bit[:] = rle.decode(masks[i]).repeat(zoom, axis=0).repeat(zoom, axis=1)
            sample = DetDataSample()
            sample.pred_instances = InstanceData(
                bboxes=torch.from_numpy(boxes[some] * zoom),
                scores=torch.from_numpy(scores[some]),
                labels=torch.from_numpy(labels[some]),
                masks=bits,
            )
            visualizer.add_datasample("", image, sample, draw_gt=False, pred_score_thr=0.0)
            image = visualizer.get_image()
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()
