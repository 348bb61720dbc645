"""What one record of an LVIS file must be so that no later step fails on it or misreads it.

A check looks at a record alone and returns the first fault; what concerns several records is
checked in `seesaw.data.annotations`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from seesaw.data import rle
from seesaw.spec.annotations import LISTS as LISTS
from seesaw.spec.annotations import URL_PREFIX, relative_path

FREQUENCIES = ("r", "c", "f")
FEDERATED = ("neg_category_ids", "not_exhaustive_category_ids")
LARGEST = 2**63 - 1  # of an id, which becomes an int64
SLIVER = 20  # longer sides than so many times the shorter one shrink to nothing when resized
LONGEST = 2**15 - 2  # px; OpenCV's warpAffine, as in pre-training and InstaBoost, takes no more
FAR = 1e6  # px; beyond it no coordinate is sensible
NAMED = 500  # characters of a path below the data set, which a message shows
OUTLINE = 2e6  # px; pycocotools needs about 80 bytes of memory for each pixel of an outline


class Fault(NamedTuple):
    """What is wrong with a record, and the fix: ``code`` names it for `seesaw.data.repair`."""

    code: str
    what: str


class Located(NamedTuple):
    """A fault and the record that has it: ``records[row]`` of the list ``key``."""

    key: str
    row: int
    who: str
    fault: Fault


class Outline(NamedTuple):
    """Bounds of a segmentation in px, and the size of run lengths (0, 0 for polygons)."""

    left: float
    top: float
    right: float
    bottom: float
    height: int = 0
    width: int = 0


def is_id(value: object, least: int = 0) -> bool:
    """Return whether a value is an integer that fits into int64; True and False are none."""
    return type(value) is int and least <= value <= LARGEST


def category_fault(category: dict) -> Fault | None:
    """Check a category's id, name and frequency."""
    if not is_id(category.get("id"), least=1):
        return Fault("id", f"has the id {_short(category.get('id'))}: number them 1, 2, ...")
    if "name" not in category:
        return Fault("name", "has no 'name': add it")
    if not isinstance(name := category["name"], str) or not name.strip():
        return Fault("name", f"has the name {_short(name)}: write a text")
    if category.get("frequency") not in (*FREQUENCIES, None):
        return Fault(
            "frequency",
            f"has the frequency {_short(category['frequency'])}: write 'r', 'c' or 'f' (LVIS: up "
            "to 10, up to 100, more training images)",
        )
    return None


def image_fault(image: dict, lists_needed: bool) -> Fault | None:
    """Check an image's id, path, size and lists of categories.

    Args:
        image: The record.
        lists_needed: Whether the federated lists must be there; a test set may lack them.
    """
    if not is_id(image.get("id")):
        return Fault("id", f"has the id {_short(image.get('id'))}: write a whole number from 0")
    if fault := _path_fault(image):
        return fault
    for key in ("width", "height"):
        if key not in image:
            return Fault("size", f"has no {key!r}: add it")
        if not is_id(value := image[key], least=1):
            return Fault("size", f"has {key} {_short(value)}: write a positive integer")
        if value > LONGEST:
            return Fault("size", f"has {key} {_short(value)}: shrink it to {LONGEST} at most")
    short, long = sorted((image["width"], image["height"]))
    if long > SLIVER * short:
        return Fault("sliver", f"is {image['width']}x{image['height']} pixels: cut it to a picture")
    for key in FEDERATED:
        if key not in image and not lists_needed:
            continue
        if not isinstance(found := image.get(key), list):
            what = f"has {key} {_short(found)}" if key in image else f"has no {key!r}"
            return Fault(key, f"{what}: write the list of category ids, [] if there are none")
        if wrong := [c for c in found if not is_id(c)]:
            return Fault(key, f"lists {_short(wrong[0])} in {key}: write category ids")
    return None


def _path_fault(image: dict) -> Fault | None:
    url, name = image.get("coco_url"), image.get("file_name")
    for key, value in (("coco_url", url), ("file_name", name)):
        if value is not None and not isinstance(value, str):
            return Fault("path", f"has {key} {_short(value)}: write the path as text")
    if not url and not name:
        return Fault("path", "has neither 'coco_url' nor 'file_name': add one")
    path = relative_path(image)
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "://" in path:
        what = f"is at {_short(path)}, outside the data set"
        return Fault("path", f"{what}: put it into the folder, and write its path from there")
    if not path.isprintable() or "\\" in path or path.endswith("/") or len(path) > NAMED:
        return Fault("path", f"is at {_short(path)}: give it a path that names a file")
    if not url:
        return Fault(
            "coco_url",
            "has no 'coco_url', by which mmdet's LVIS dataset finds images: write "
            f"{URL_PREFIX} and its path below the data set",
        )
    return None


def annotation_fault(annotation: dict) -> tuple[Fault | None, Outline | None]:
    """Check an annotation, except for what depends on its image and on other annotations.

    Returns:
        The first fault, or None; and where the segmentation lies, None if it is not readable.
    """
    for key in ("id", "image_id", "category_id"):
        if not is_id(value := annotation.get(key)):
            what = f"has {key} {_short(value)}" if key in annotation else f"has no {key!r}"
            return Fault(key, f"{what}: write a whole number"), None
    for key in ("segmentation", "bbox", "area"):
        if key not in annotation:
            return Fault(key, f"has no {key!r}: add it"), None
    fault, outline = outline_of(annotation["segmentation"])
    if fault:
        return Fault("segmentation", f"has {fault}: correct or drop it"), None
    box, area = annotation["bbox"], annotation["area"]
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        return Fault("bbox", f"has bbox {_short(box)}: write four numbers x, y, w, h"), outline
    if box[2] < 0 or box[3] < 0:
        what = f"has bbox {_short(box)}, of negative width or height"
        return Fault("bbox", f"{what}: write x, y, w, h"), outline
    if type(area) not in (int, float) or not 0 <= area <= FAR**2:
        return Fault("area", f"has area {_short(area)}: write its pixels as a number"), outline
    for key in ("iscrowd", "ignore"):
        if annotation.get(key, 0) not in (0, 1):
            return Fault(key, f"has {key} {_short(annotation[key])}: write 0 or 1"), outline
    return None, outline


def outline_of(segmentation: object) -> tuple[str | None, Outline | None]:
    """Return what is wrong with polygons or COCO run lengths, and where they lie."""
    if isinstance(segmentation, dict):
        return _run_lengths(segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        return "an empty segmentation", None
    left = top = np.inf
    right = bottom = -np.inf
    most = 0.0  # px of all outlines at most
    for polygon in segmentation:
        if not isinstance(polygon, list) or not set(map(type, polygon)) <= {int, float}:
            return f"a polygon that is no list of numbers ({_short(polygon)})", None
        if len(polygon) < 6 or len(polygon) % 2:
            what = f"a polygon of {len(polygon)} numbers"
            return f"{what} (three or more x, y pairs are needed)", None
        x, y = polygon[::2], polygon[1::2]
        x0, x1, y0, y1 = min(x), max(x), min(y), max(y)
        if not (x0 >= -FAR and x1 <= FAR and y0 >= -FAR and y1 <= FAR):
            far = max(polygon, key=abs)
            return f"a polygon with the coordinate {_short(far)}", None
        most += len(x) * max(x1 - x0, y1 - y0)
        left, top, right, bottom = min(left, x0), min(top, y0), max(right, x1), max(bottom, y1)
    if most > OUTLINE and (length := sum(_length(p[::2], p[1::2]) for p in segmentation)) > OUTLINE:
        return f"polygons whose outline is {length:.0f} pixels long", None
    return None, Outline(left, top, right, bottom)


def _run_lengths(segmentation: dict) -> tuple[str | None, Outline | None]:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    whole = isinstance(size, list) and len(size) == 2 and all(is_id(v, least=1) for v in size)
    if not whole or size[0] * size[1] >= 2**31:  # type: ignore[index]
        return f"a mask of size {_short(size)}", None
    height, width = size  # type: ignore[misc]
    pixels = height * width
    if isinstance(counts, str) and counts:
        try:
            masks, bad = rle.decode([counts], pixels)
        except ValueError:  # no ASCII
            bad = 0
        if bad >= 0:
            return f"run lengths that are cut off or not of {pixels} pixels", None
        starts, ends = masks.starts, masks.ends
    elif isinstance(counts, list) and counts:
        if not set(map(type, counts)) <= {int} or min(counts) < 0:
            return f"run lengths that are no counts of pixels ({_short(counts)})", None
        if (total := sum(counts)) != pixels:
            return f"run lengths of {total} pixels in a mask of {pixels}", None
        edges = np.array([0, *itertools.accumulate(counts)])
        starts, ends = edges[1:-1:2], edges[2::2]
        starts, ends = starts[: len(ends)], ends[: len(starts)]
    else:
        return "no run lengths", None
    some = ends > starts
    starts, ends = starts[some], ends[some]
    if not len(starts):
        return None, Outline(0, 0, 0, 0, height, width)
    x0, x1 = starts // height, (ends - 1) // height
    y0, y1 = starts % height, (ends - 1) % height + 1
    if (x0 < x1).any():  # a run through the border of two columns
        y0, y1 = np.zeros(1), np.full(1, height)
    bounds = (x0.min(), y0.min(), x1.max() + 1, y1.max())
    left, top, right, bottom = map(float, bounds)
    return None, Outline(left, top, right, bottom, height, width)


def _length(x: Iterable[float], y: Iterable[float]) -> float:
    """Return the pixels along a polygon's outline, as pycocotools draws it."""
    points = np.array([x, y], np.float64)
    return float(np.abs(points - np.roll(points, 1, axis=1)).max(axis=0).sum())


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and -FAR <= value <= FAR  # type: ignore[operator]


def _short(value: Any) -> str:
    """Return a value in a message; data of a stranger may be long, or end a terminal's line."""
    text = value[:60] if isinstance(value, str) else value
    text = ascii(text[:9] if isinstance(text, list) else text)
    return text if len(text) <= 60 else f"{text[:57]}..."
