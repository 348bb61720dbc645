"""The detections file: one image per line, written as images are detected, read one at a time.

A line is ``{"image_id", "height", "width", "category_ids", "scores", "bboxes", "counts"}`` and
``"mask_scores"`` if masks have scores of their own: parallel lists in descending score order;
category ids from 1, boxes [x, y, w, h] in pixels, masks as compressed RLE of the image's size.
Lines ascend in ``image_id``; an image without detections has a line with empty lists.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from seesaw.core.files import replacing
from seesaw.core.records import remake
from seesaw.data import rle
from seesaw.errors import UserError

MAX_DETECTIONS = 300  # per image; LVIS evaluates no more


@dataclass(frozen=True)
class ImageDetections:
    """The N detections of one image, as its line in the file gives them."""

    image_id: int
    height: int
    width: int
    category_ids: np.ndarray  # (N,) int64, from 1
    scores: np.ndarray  # (N,) float64
    boxes: np.ndarray  # (N, 4) float64, [x, y, w, h] in pixels
    counts: list[str]  # N compressed RLE
    mask_scores: np.ndarray  # (N,) float64: the scores where the line has no mask_scores
    masks: rle.Intervals


class DetectionWriter:
    """Write a detections file image by image and atomically.

    Use it as a context manager. Memory does not grow with the number of images.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._last_id: int | None = None

    def __enter__(self):
        self._replacing = replacing(self.path)
        self._file = self._replacing.__enter__().open("wb")
        return self

    def __exit__(self, kind, value, traceback):
        self._file.close()
        self._replacing.__exit__(kind, value, traceback)

    def write(self, image_id, height, width, boxes, scores, labels, masks, mask_scores=None):
        """Append one image; if it has more than 300 detections, those with highest scores are kept.

        Args:
            image_id: Larger than that of the previous image.
            height: Image height in pixels.
            width: Image width in pixels.
            boxes: (N, 4) float [x1, y1, x2, y2] in pixels.
            scores: (N,) float.
            labels: (N,) int from 0: category id - 1.
            masks: (N, H, W) binary, or N compressed RLE of that size (dicts as pycocotools
                makes them, or their counts).
            mask_scores: (N,) float if masks have scores of their own.

        Raises:
            UserError: Scores or boxes are not finite, lengths or mask sizes do not agree, or
                images are out of order.
        """
        where = f"detections of image {image_id} for {self.path}"
        boxes, scores = np.asarray(boxes).reshape(-1, 4), np.asarray(scores)
        labels = np.asarray(labels)
        given = {"scores": scores, "boxes": boxes}
        if mask_scores is not None:
            given["mask_scores"] = mask_scores = np.asarray(mask_scores)
        lengths = {name: len(values) for name, values in given.items()}
        lengths |= {"labels": len(labels), "masks": len(masks)}
        if len(set(lengths.values())) > 1:
            raise UserError(f"{where} differ in number ({lengths}): give one of each.")
        for name, values in given.items():
            if not np.isfinite(values).all():
                raise UserError(f"{where} have {name} that are not finite: the model diverged.")
        if self._last_id is not None and image_id <= self._last_id:
            raise UserError(f"{where} come after image {self._last_id}: write ids in order.")
        order = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
        corner, size = boxes[order, :2], boxes[order, 2:] - boxes[order, :2]
        line = {
            "image_id": int(image_id),
            "height": int(height),
            "width": int(width),
            "category_ids": (labels[order].astype(np.int64) + 1),
            "scores": scores[order],
            "bboxes": np.ascontiguousarray(np.concatenate([corner, size], axis=1)),
            "counts": [_counts(masks[i], height, width, where) for i in order],
        }
        if mask_scores is not None:
            line["mask_scores"] = mask_scores[order]
        self._file.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
        self._last_id = image_id


def read(
    path: Path | str, images: dict[int, tuple[int, int]] | None = None, categories=None
) -> Iterator[ImageDetections]:
    """Iterate over the images of a detections file, checked, one in memory at a time.

    Args:
        path: The detections file.
        images: Image id → (height, width); other images or sizes are refused.
        categories: Category ids that may occur; others are refused.

    Yields:
        `ImageDetections` in ascending image id.

    Raises:
        UserError: The file is missing or malformed; the message names the line of the first fault.
    """
    path, last = Path(path), -1
    if not path.is_file():
        raise UserError(f"{path} is missing; run `seesaw detect` first.")
    known = None if categories is None else np.unique(np.asarray(categories))
    with path.open("rb", buffering=1 << 20) as lines:
        for number, line in enumerate(lines, start=1):
            try:
                image = _parse(line)
                _check(image, last, images, known)
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise UserError(f"{path}, line {number}: {what}; {remake(path)}.") from None
            last = image.image_id
            yield image


def _counts(mask, height: int, width: int, where: str) -> str:
    if isinstance(mask, dict):
        shape, mask = tuple(mask["size"]), mask["counts"]
    else:
        shape = (height, width) if isinstance(mask, str | bytes) else tuple(np.shape(mask))
    if shape != (height, width):
        raise UserError(f"{where} have a mask of size {shape}, not {(height, width)}: resize it.")
    if isinstance(mask, bytes):
        return mask.decode("ascii")
    return mask if isinstance(mask, str) else rle.encode(mask)


def _numbers(values: list, name: str) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite")
    return array


def _parse(line: bytes) -> ImageDetections:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not a JSON object ({error})") from None
    if not isinstance(fields, dict):
        raise TypeError("not a JSON object")
    for name in ("image_id", "height", "width"):
        if type(fields[name]) is not int or fields[name] < 0:
            raise ValueError(f"{name} is {fields[name]!r}, not a whole number")
    size = fields["height"] * fields["width"]
    scores = _numbers(fields["scores"], "scores")
    category_ids = np.array(fields["category_ids"] or np.empty(0, np.int64))
    boxes = _numbers(fields["bboxes"], "bboxes").reshape(-1, 4)
    masks, bad = rle.decode(fields["counts"], size)
    apart = "mask_scores" in fields
    mask_scores = _numbers(fields["mask_scores"], "mask_scores") if apart else scores
    lengths = [len(v) for v in (category_ids, scores, boxes, fields["counts"], mask_scores)]
    if len(set(lengths)) > 1:
        raise ValueError(f"lists differ in length ({lengths})")
    if category_ids.dtype.kind != "i":
        raise ValueError("category_ids are not whole numbers")
    if (boxes[:, 2:] < 0).any():
        raise ValueError("bboxes holds a negative width or height")
    if bad >= 0:
        raise ValueError(f"mask {bad} is malformed or does not cover the image's {size} pixels")
    where = (fields["image_id"], fields["height"], fields["width"])
    return ImageDetections(
        *where, category_ids, scores, boxes, fields["counts"], mask_scores, masks
    )


def _check(image: ImageDetections, last: int, images, known) -> None:
    if image.image_id <= last:
        raise ValueError(f"image {image.image_id} comes after image {last}: ids must ascend")
    if images is not None:
        size = images.get(image.image_id)
        if size is None:
            raise ValueError(f"image {image.image_id} is not in the annotations")
        if size != (image.height, image.width):
            raise ValueError(
                f"image {image.image_id} is {image.height} x {image.width} here, "
                f"{size[0]} x {size[1]} in the annotations"
            )
    if known is not None:
        at = np.searchsorted(known, image.category_ids).clip(max=len(known) - 1)
        unknown = image.category_ids[known[at] != image.category_ids]
        if len(unknown):
            raise ValueError(f"category {unknown[0]} is not in the annotations")
