"""What is known of an annotation file once it has been read: its records and their faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seesaw.data import format as form
from seesaw.data.format import Fault, Located
from seesaw.errors import UserError
from seesaw.spec.annotations import frequency_of

NOUNS = {"images": "image", "annotations": "annotation", "categories": "category"}
INTS, FLOATS = 7, 10  # columns of an annotation


class Image(NamedTuple):
    """What is needed of an image's record to check its file."""

    row: int
    id: int
    path: str
    width: int
    height: int


@dataclass
class Annotations:
    """The checked content of an annotation file."""

    path: Path
    limit: int | None = 1000
    bytes: int = 0
    sha256: str = ""
    images: list[Image] = field(default_factory=list)  # all images without fault
    # ``id``, ``name`` and ``frequency`` (or None) of each category
    categories: list[dict] = field(default_factory=list)
    faults: list[Located] = field(default_factory=list)  # the first ``limit`` faults found
    found: int = 0  # the number of all faults
    # sentences about what is accepted, but odd, costly or not used in a training
    notes: list[str] = field(default_factory=list)
    # (M, 7) index, id, image, category, height and width of run lengths, ignored
    ints: np.ndarray = field(default_factory=lambda: np.empty((0, INTS), np.int64))
    # (M, 10) box x, y, w, h; area; bounds of the outline x0, y0, x1, y1, in px; the px in its
    # largest part
    floats: np.ndarray = field(default_factory=lambda: np.empty((0, FLOATS)))
    # (M,) whether mmdet takes the annotation for one of an object (CocoDataset.parse_data_info)
    kept: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    # images that mmdet trains on: annotated, of at least 32 px (`MIN_SIDE`)
    trained_images: int = 0
    trained: int = 0  # annotations that it trains on
    # ids of images with a fault, whose annotations are not judged
    faulty: set[int] = field(default_factory=set)

    def add(self, key: str, index: int, name: object, fault: Fault) -> None:
        """Note the fault of a record, which messages name by its id if it has one."""
        self.found += 1
        if self.limit is None or len(self.faults) < self.limit:
            noun = NOUNS[key]
            who = f"{noun} {name}" if form.is_id(name) else f"{noun} number {index}"
            self.faults.append(Located(key, index, who, fault))

    def counts(self) -> dict:
        """Return ``annotated_images`` and, for each category, the counts that losses use.

        These are ``{"id", "name", "image_count", "instance_count", "frequency"}`` by ascending id.
        The frequency is that of the file, which the evaluation uses (it cannot be counted in a val
        or test file); if the file has none, LVIS's rule is applied to the counted images.
        """
        image, category = self.ints[:, 2], self.ints[:, 3]
        order = np.lexsort((image, category))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(image[order]) != 0) | (np.diff(category[order]) != 0)
        most = max((c["id"] for c in self.categories), default=0) + 1
        instances = np.bincount(category, minlength=most).tolist()
        images = np.bincount(category[order][new], minlength=most).tolist()
        rows = [
            {
                "id": c["id"],
                "name": c["name"],
                "image_count": images[c["id"]],
                "instance_count": instances[c["id"]],
                "frequency": c["frequency"] or frequency_of(images[c["id"]]),
            }
            for c in sorted(self.categories, key=lambda c: c["id"])
        ]
        return {"annotated_images": len(np.unique(self.ints[:, 2])), "categories": rows}

    def refuse(self) -> None:
        """Raise a UserError about the first fault, if there is one."""
        if self.faults:
            first, more = self.faults[0], self.found - 1
            rest = f" ({more} more faults in this file)" if more else ""
            if first.key != "categories" or first.fault.code in ("order", "frequency"):
                rest += "; `seesaw data --fix` writes a copy without such faults"
            raise UserError(f"{self.path}: {first.who} {first.fault.what}{rest}")
