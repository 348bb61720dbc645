"""Read and check an annotation file in LVIS format once, record by record."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable
from operator import mul
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from seesaw.data import format as form
from seesaw.data.content import FLOATS, INTS, Annotations, Image
from seesaw.data.format import Fault, Outline
from seesaw.data.streaming import records
from seesaw.errors import UserError
from seesaw.spec.annotations import relative_path

MIN_SIDE = 32  # px; configs/_base_/lvis_v1.py leaves out smaller training images
# One box or area in so many may differ from its outline. LVIS's outlines of some turned photos do:
# 13 of 977 in the sample of v0.5 that lvis-api ships; v1 has fewer (lvis-api issue 1).
SHARE = 20
MASKS = 2**32  # bytes of an image's masks, one a pixel and object; LVIS's are far smaller


def read_annotations(
    path: Path, lists_needed: bool = True, limit: int | None = 1000
) -> Annotations:
    """Read an annotation file and note all faults of its records, but open no image.

    LVIS's training set takes a minute of CPU time and 0.6 GB of memory.

    Args:
        path: File in LVIS format (v1, or v0.5 with ``coco_url``).
        lists_needed: Whether images must have the lists of verified categories.
        limit: Number of faults to keep; None for all.

    Raises:
        UserError: The file is missing, no valid JSON, or lists no images or no categories.
    """
    made = Annotations(Path(path), limit)
    digest, seen, listed = hashlib.sha256(), dict.fromkeys(form.LISTS, 0), array("q")
    ids: set[int] = set()
    ints, floats = array("q"), array("d")
    for key, record in records(path, form.LISTS, digest):
        index, seen[key] = seen[key], seen[key] + 1
        if not isinstance(record, dict):
            made.add(key, index, None, Fault("record", "is no object: drop it"))
        elif key == "annotations":
            fault, outline = form.annotation_fault(record)
            if fault or outline is None:
                made.add(key, index, record.get("id"), fault)  # type: ignore[arg-type]
            else:
                _append(ints, floats, index, record, outline)
        elif key == "images":
            if fault := form.image_fault(record, lists_needed):
                made.add(key, index, record.get("id"), fault)
            elif record["id"] in ids:
                made.add(key, index, record["id"], Fault("twice", "appears twice: make ids unique"))
            else:
                size = record["width"], record["height"]
                made.images.append(Image(index, record["id"], relative_path(record), *size))
                for name in form.FEDERATED:
                    for category in record.get(name, ()):
                        listed.extend((index, record["id"], category))
            if form.is_id(record.get("id")):
                ids.add(record["id"])
        elif fault := form.category_fault(record):
            made.add(key, index, record.get("id"), fault)
        else:
            made.categories.append({k: record.get(k) for k in ("id", "name", "frequency")})
    made.faulty = ids - {image.id for image in made.images}
    made.bytes, made.sha256 = path.stat().st_size, digest.hexdigest()
    for key in ("images", "categories"):
        if not seen[key]:
            raise UserError(f"{path} lists no {key}: get the whole file")
    made.ints = np.frombuffer(ints, np.int64).reshape(-1, INTS)
    made.floats = np.frombuffer(floats, np.float64).reshape(-1, FLOATS)
    _check_categories(made, np.frombuffer(listed, np.int64).reshape(-1, 3))
    _check_annotations(made)
    return made


def _append(ints: array, floats: array, index: int, record: dict, outline: Outline) -> None:
    ignored = bool(record.get("iscrowd", 0)) + 2 * bool(record.get("ignore", 0))
    keys = record["id"], record["image_id"], record["category_id"]
    ints.extend((index, *keys, outline.height, outline.width, ignored))
    floats.extend((*record["bbox"], record["area"], *outline[:4], _covered(record["segmentation"])))


def _covered(segmentation: list | dict) -> float:
    """Return the px of run lengths or of the largest polygon, which a mask has at least."""
    if isinstance(segmentation, list):
        return max(map(_enclosed, segmentation))
    counts = segmentation["counts"]
    return sum(counts[1::2]) if isinstance(counts, list) else float(coco_mask.area(segmentation))


def _enclosed(polygon: list[float]) -> float:
    x, y = polygon[::2], polygon[1::2]
    return abs(sum(map(mul, x, y[1:] + y[:1])) - sum(map(mul, y, x[1:] + x[:1]))) / 2


def _check_categories(made: Annotations, listed: np.ndarray) -> None:
    """Require ids 1..C in ascending order, as mmdet numbers the labels in the file's order."""
    found = [c["id"] for c in made.categories]
    if any(f.key == "categories" for f in made.faults):
        return
    if missing := sorted(set(range(1, len(found) + 1)) - set(found)):
        twice = [c for c, n in Counter(found).items() if n > 1]
        what = f"is missing: a training needs ids 1..{len(found)} without gaps; renumber them"
        if twice:
            what = "appears twice: make ids unique"
        made.add("categories", 0, (twice or missing)[0], Fault("gap", what))
    elif found != sorted(found):
        at = next(i for i, c in enumerate(found) if c != i + 1)
        what = f"stands at place {at + 1}: sort the categories by id"
        made.add("categories", at, found[at], Fault("order", what))
    unknown = listed[~np.isin(listed[:, 2], found)]
    for index, image, category in unknown[np.unique(unknown[:, 0], return_index=True)[1]].tolist():
        what = f"lists the unknown category {category}: drop it"
        made.add("images", index, image, Fault("unknown", what))


def _check_annotations(made: Annotations) -> None:
    """Check annotations against their images and one another, each for its first fault."""
    images = np.array([[i.id, i.width, i.height] for i in made.images], np.int64).reshape(-1, 3)
    images = images[np.argsort(images[:, 0])]
    at = np.searchsorted(images[:, 0], made.ints[:, 2]).clip(max=max(len(images) - 1, 0))
    known = images[at, 0] == made.ints[:, 2] if len(images) else np.zeros(len(at), bool)
    wrong = _check_ids(made, known)
    if not len(images):
        return
    width, height = images[at, 1], images[at, 2]
    _check_places(made, wrong, width, height)
    size = np.stack([width, height, width, height], axis=1)
    _check_boxes(made, wrong, size)
    _check_areas(made, wrong, size)
    x, y, w, h, area = made.floats[:, :5].T
    inside = np.minimum(x + w, width) - np.maximum(x, 0) > 0
    inside &= np.minimum(y + h, height) - np.maximum(y, 0) > 0
    made.kept = inside & (area > 0) & (w >= 1) & (h >= 1)
    _notes(made, np.minimum(width, height) >= MIN_SIDE)
    heavy = int((np.bincount(at, weights=made.kept * width * height) > MASKS).sum())
    if heavy:
        text = f"images whose masks fill over {MASKS / 2**30:g} GiB when they are loaded"
        made.notes.append(f"{heavy} {text}: scale them down")


def _check_ids(made: Annotations, known: np.ndarray) -> np.ndarray:
    """Return which (M,) have an id twice, or an unknown image (unless ``known``) or category."""
    ints = made.ints

    def unknown(key: str, column: int) -> Callable[[int], str]:
        return lambda row: f"has the unknown {key} {ints[row, column]}: correct or drop it"

    order = np.argsort(ints[:, 1], kind="stable")
    again = np.zeros(len(ints), bool)
    again[order[1:]] = ints[order[1:], 1] == ints[order[:-1], 1]
    _add(made, again, "twice", lambda row: "appears twice: make ids unique")
    lost = ~known & ~again & ~np.isin(ints[:, 2], list(made.faulty))
    _add(made, lost, "image_id", unknown("image_id", 2))
    other = ~np.isin(ints[:, 3], [c["id"] for c in made.categories])
    wrong = again | ~known
    if not any(f.key == "categories" for f in made.faults):  # else none is judged by its own
        _add(made, other & ~wrong, "category_id", unknown("category_id", 3))
    return wrong | other


def _check_places(
    made: Annotations, wrong: np.ndarray, width: np.ndarray, height: np.ndarray
) -> None:
    """Check that outlines lie in their images (M,); those that do not are added to ``wrong``."""
    ints, (x0, y0, x1, y1) = made.ints, made.floats[:, 5:9].T
    other = (ints[:, 4] > 0) & ((ints[:, 4] != height) | (ints[:, 5] != width))
    empty = (ints[:, 4] > 0) & (x1 == 0)  # run lengths without a pixel
    outside = ((x1 <= 0) | (y1 <= 0) | (x0 >= width) | (y0 >= height)) & ~empty
    far = (x0 < -width) | (y0 < -height) | (x1 > 2 * width) | (y1 > 2 * height)
    for where, code, text in (
        (other, "segmentation", "has a mask of size {size} in an image of {image}: drop it"),
        (outside, "segmentation", "lies outside its image, over {spans} (x0, y0, x1, y1): drop it"),
        (far, "far", "reaches far out of its image, over {spans} (x0, y0, x1, y1): clip it"),
    ):

        def what(row: int, text: str = text) -> str:
            image = [int(height[row]), int(width[row])]
            spans = made.floats[row, 5:9].round(1).tolist()
            return text.format(size=ints[row, 4:6].tolist(), image=image, spans=spans)

        _add(made, where & ~wrong, code, what)
        wrong |= where


def _check_boxes(made: Annotations, wrong: np.ndarray, size: np.ndarray) -> None:
    """Compare boxes with the outlines' bounds, both clipped to the image."""
    box, bounds = made.floats[:, :4], made.floats[:, 5:9]
    corners = np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)
    corners, bounds = corners.clip(0, size), bounds.clip(0, size)
    side = (bounds[:, 2:] - bounds[:, :2]).max(axis=1)
    differs = (np.abs(corners - bounds) > 5 + side[:, None] / 4).any(axis=1) & ~wrong
    if differs.sum() > len(box) / SHARE:
        _add(
            made,
            differs,
            "bbox",
            lambda row: (
                f"has bbox {box[row].round(1).tolist()}, but its outline spans "
                f"{bounds[row].round(1).tolist()} (x0, y0, x1, y1): write x, y, width, height"
            ),
        )
    elif differs.any():
        first = made.ints[differs, 1][0]
        made.notes.append(f"{differs.sum()} boxes are not those of their outlines, first {first}")


def _check_areas(made: Annotations, wrong: np.ndarray, size: np.ndarray) -> None:
    """Compare areas with the outlines, which may also have been measured by their boxes.

    Areas that are shares of the image, or of another scale, would give wrong AP_s, AP_m and AP_l.
    """
    area, bounds, least = made.floats[:, 4], made.floats[:, 5:9], made.floats[:, 9]
    inside = ((bounds > -1) & (bounds < size + 1)).all(axis=1)  # a mask is cut at the border
    differs = (area > (bounds[:, 2:] - bounds[:, :2] + 5).prod(axis=1)) | (
        inside & (3 * area + 25 < least)  # holes, which polygons may not show, have no area
    )
    differs &= ~wrong & (area > 0)
    found, row = int(differs.sum()), int(differs.argmax()) if len(differs) else 0
    if found > len(area) / SHARE:
        index, name = made.ints[row, :2].tolist()
        what = (
            f"has area {area[row]:g}, but its outline, over {bounds[row].round(1).tolist()} (x0, "
            f"y0, x1, y1), has another, as in {found - 1} more annotations: write a mask's pixels"
        )
        made.add("annotations", index, name, Fault("areas", what))
    elif found:
        made.notes.append(
            f"{found} areas are not those of their outlines, first {made.ints[row, 1]}"
        )


def _notes(made: Annotations, large: np.ndarray) -> None:
    ints, kept = made.ints, made.kept
    crowds = kept & (ints[:, 6] > 0)
    made.trained = int((kept & ~crowds & large).sum())
    made.trained_images = len(np.unique(ints[large, 2]))
    small = sum(min(i.width, i.height) < MIN_SIDE for i in made.images)
    bare = len(made.images) - len(np.unique(ints[:, 2]))
    for number, what in (
        ((~kept).sum(), "annotations without area, or with a box of less than 1 px or outside"),
        (crowds.sum(), "annotations with iscrowd or ignore"),
        (small, f"images of less than {MIN_SIDE} px"),
        (bare, "images without annotations"),
    ):
        if number:
            made.notes.append(f"{number} {what}")


def _add(made: Annotations, where: np.ndarray, code: str, what: Callable[[int], str]) -> None:
    for row in np.flatnonzero(where)[: made.limit].tolist():
        index, name = made.ints[row, :2].tolist()
        made.add("annotations", index, name, Fault(code, what(row)))
    made.found += max(int(where.sum()) - (made.limit or len(where)), 0)
