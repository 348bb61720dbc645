"""Find the faults of a results file from any tool before it is uploaded to the server.

The file must be one JSON list (alone or zipped), each image id and category id (from 1) must be
in the image list, an image has at most 300 entries, each compressed RLE decodes to the image's
size, scores are finite, and boxes, if there are any, are [x, y, w, h]. Images without entries are
valid.
"""

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from seesaw.data import rle
from seesaw.evaluation.detections import MAX_DETECTIONS
from seesaw.evaluation.submission import results
from seesaw.evaluation.submission.package import ImageList

SHOWN = 10  # images named with each kind of fault
MAX_SIDE = 1 << 31  # pixels, so that an image's size is a whole number of 64 bits
MOST = 100_000  # faults after which the rest of a file is not read


@dataclass
class Fault:
    """A kind of fault, the number of times it was found, and the first images with it."""

    kind: str
    count: int = 0
    images: dict = field(default_factory=dict)  # id -> the value found, at most SHOWN

    def __str__(self) -> str:
        where = ", ".join(f"{image} ({value})" for image, value in self.images.items())
        many = f" ({self.count:,} times)" if self.count > 1 else ""
        return f"{self.kind}{many}" + (f": first images {where}" if where else "")


@dataclass
class Report:
    """The content of a results file and its faults."""

    path: Path
    wanted: ImageList
    per_image: np.ndarray  # (I,) entries of each image of the list, ids ascending
    detections: int = 0
    boxes: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)

    def add(self, kind: str, count: int = 1, images=(), values=()) -> None:
        """Count a fault; ``images`` and ``values`` give its places in the file's order."""
        fault = self.faults.setdefault(kind, Fault(kind))
        fault.count += count
        for image, value in zip(images, values, strict=True):
            if len(fault.images) == SHOWN:
                break
            fault.images.setdefault(image, value)

    @property
    def hopeless(self) -> bool:
        """Whether there are too many faults, or four times as many entries as are allowed."""
        allowed = MAX_DETECTIONS * len(self.wanted.images)
        found = sum(fault.count for fault in self.faults.values())
        return found > MOST or self.detections > 4 * allowed + MOST

    def lines(self) -> list[str]:
        """Return a summary, then one line per kind of fault."""
        size = f"{self.path.stat().st_size / 1e6:,.1f} MB"
        images = f"{np.count_nonzero(self.per_image):,} of {len(self.per_image):,} images"
        said = f"{len(self.faults)} kinds of fault" if self.faults else "no fault"
        lines = [f"{self.path}: {size}, {self.detections:,} detections in {images}, {said}"]
        if self.boxes:
            lines.append("note: with bbox, lvis-api takes box areas for AP_s, AP_m and AP_l")
        return lines + [f"fault: {fault}" for fault in self.faults.values()]


def validate(path: Path | str, wanted: ImageList) -> Report:
    """Read a results file (.json or .zip) once and collect its faults; memory use is constant.

    Raises:
        UserError: The file cannot be opened, see `results.opened`.
    """
    ids = np.sort(np.fromiter(wanted.images, np.int64))
    sizes = np.array([wanted.images[i] for i in ids.tolist()], np.int64)
    report = Report(Path(path), wanted, np.zeros(len(ids), np.int64))
    try:
        with results.opened(path) as file:
            for batch in results.batches(file):
                _check(report, batch, ids, sizes)
                if report.hopeless:
                    report.add("the file has so many faults that the rest was not read")
                    break
    except ValueError as error:
        report.add(f"the file {error}")
    else:
        if not report.detections:
            report.add("the list is empty, which crashes lvis-api")
    many = np.flatnonzero(report.per_image > MAX_DETECTIONS)
    if len(many):
        found = [f"{n} entries" for n in report.per_image[many].tolist()]
        kind = f"more than {MAX_DETECTIONS} entries for an image"
        report.add(kind, len(many), ids[many].tolist(), found)
    return report


def _check(report: Report, batch: list, ids: np.ndarray, sizes: np.ndarray) -> None:
    report.detections += len(batch)
    try:
        columns = _columns(batch)
    except (KeyError, TypeError):
        batch = [entry for entry in batch if _well_formed(report, entry)]
        columns = _columns(batch)
    image, category, score, size, counts, boxes = columns
    report.boxes += len(boxes)

    def fault(kind: str, wrong: np.ndarray, value) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            _, first = np.unique(image[rows], return_index=True)
            shown = rows[np.sort(first)[: 2 * SHOWN]].tolist()  # some may be listed already
            values = [value(row) for row in shown]
            report.add(kind, len(rows), image[shown].tolist(), values)

    index = np.searchsorted(ids, image).clip(max=len(ids) - 1)
    known = ids[index] == image
    report.per_image += np.bincount(index[known], minlength=len(ids))
    fault(f"image_id is not in {report.wanted.path}", ~known, lambda row: "unknown")
    categories = report.wanted.categories
    at = np.searchsorted(categories, category).clip(max=len(categories) - 1)
    kind = f"category_id is not one of {categories[0]} to {categories[-1]}"
    fault(kind, categories[at] != category, lambda row: category[row])
    fault("score is not finite", ~np.isfinite(score), lambda row: score[row])
    other = known & (size != sizes[index]).any(1)
    kind = "segmentation size is not the image's [height, width]"
    fault(kind, other, lambda row: f"{size[row].tolist()}, not {sizes[index[row]].tolist()}")
    kind = "RLE does not decode to its size"
    fault(kind, _malformed(counts, size.prod(1)), lambda row: repr(counts[row][:20]))


def _columns(batch: list) -> tuple:
    """Return the entries as columns; image and category ids, score and size are arrays.

    Raises:
        KeyError, TypeError: An entry is malformed.
    """
    if not set(map(type, batch)) <= {dict}:
        raise TypeError("an entry is no object")
    image, category = [e["image_id"] for e in batch], [e["category_id"] for e in batch]
    score, masks = [e["score"] for e in batch], [e["segmentation"] for e in batch]
    if not set(map(type, masks)) <= {dict}:
        raise TypeError("segmentation is not {size, counts}")
    size, counts = [m["size"] for m in masks], [m["counts"] for m in masks]
    if not set(map(type, counts)) <= {str} or not all(map(str.isascii, counts)):
        raise TypeError("counts is no compressed RLE in ASCII")
    fault = "size is not [height, width]"
    sides = _numbers(_flat(size, 2, fault), np.int64, {int}, fault).reshape(-1, 2)
    if (sides < 0).any() or (sides > MAX_SIDE).any():
        raise TypeError(fault)
    boxes = [e["bbox"] for e in batch if "bbox" in e]
    fault = "bbox is not [x, y, w, h]"
    array = _numbers(_flat(boxes, 4, fault), np.float64, {int, float}, fault).reshape(-1, 4)
    if not np.isfinite(array).all() or (array[:, 2:] < 0).any():
        raise TypeError(fault)
    return (
        _numbers(image, np.int64, {int}, "image_id is no whole number"),
        _numbers(category, np.int64, {int}, "category_id is no whole number"),
        _numbers(score, np.float64, {int, float}, "score is no number"),
        sides,
        counts,
        boxes,
    )


def _flat(rows: list, length: int, fault: str) -> list:
    if not set(map(type, rows)) <= {list} or not set(map(len, rows)) <= {length}:
        raise TypeError(fault)
    return list(chain.from_iterable(rows))


def _numbers(values: list, dtype: type, types: set[type], fault: str) -> np.ndarray:
    if not set(map(type, values)) <= types:
        raise TypeError(fault)
    try:
        return np.array(values, dtype)
    except OverflowError:
        raise TypeError(fault) from None


def _well_formed(report: Report, entry: object) -> bool:
    try:
        _columns([entry])
        return True
    except KeyError as error:
        kind = f"an entry lacks {error}"
    except TypeError as error:
        kind = str(error)
    image = "no object"
    if isinstance(entry, dict):
        image = repr(entry["image_id"])[:40] if "image_id" in entry else "no image_id"
    report.add(kind, 1, [image], [repr(entry)[:80]])
    return False


def _malformed(counts: list[str], sizes: np.ndarray) -> np.ndarray:
    """Return which (N,) compressed RLE do not cover exactly ``sizes`` pixels."""
    bad = np.zeros(len(counts), bool)
    order = np.argsort(sizes, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1):
        group = [counts[row] for row in rows]
        if group and rle.decode(group, sizes[rows[0]])[1] >= 0:
            bad[rows] = [rle.decode([text], sizes[rows[0]])[1] >= 0 for text in group]
    return bad
