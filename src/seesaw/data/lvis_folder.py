"""Check a folder in LVIS format once, count its categories and write a manifest of hashes.

What is accepted here can be trained on, detected on and evaluated. Files of LVIS v1 are supported,
and of v0.5 if they have a ``coco_url``. Labels are ``category_id - 1``, so a training needs
category ids 1..C without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from seesaw.core.files import replacing, sha256_file
from seesaw.core.pace import Pace
from seesaw.data import pictures
from seesaw.data.annotations import MIN_SIDE, read_annotations
from seesaw.data.content import Annotations
from seesaw.data.format import FREQUENCIES, Fault
from seesaw.data.streaming import need_file
from seesaw.errors import UserError
from seesaw.spec.annotations import load_annotations, relative_path


def training_counts(path: Path, images: bool = True) -> dict:
    """Return the counts of a training set that losses and samplers use (`Annotations.counts`).

    Args:
        path: The annotation file.
        images: Whether the images' records must be in LVIS format too; COCO has no ``coco_url``
            in many files, and no lists of verified categories.

    Raises:
        UserError: The file breaks the format; the message describes the first fault.
    """
    found = read_annotations(Path(path), lists_needed=images, limit=None)
    if not images:
        found.faults = [fault for fault in found.faults if fault.key != "images"]
        found.found = len(found.faults)
    found.refuse()
    return found.counts()


def read(root: Path, files: Mapping[str, str], limit: int | None = 1000) -> dict[str, Annotations]:
    """Read all annotation files of a dataset and note every fault of their records.

    Args:
        root: LVIS folder.
        files: Split (train, val, test_dev) -> annotation file relative to ``root``.
        limit: Number of faults of a file to keep; None for all.

    Returns:
        The content of each split; the caller decides about its faults.

    Raises:
        UserError: A file is no annotation file, or the files do not belong together.
    """
    found = {
        split: read_annotations(root / name, split != "test_dev", limit)
        for split, name in sorted(files.items())
    }
    if val := found.get("val"):
        for index, category in enumerate(val.categories):
            if category["frequency"] not in FREQUENCIES:
                what = "has no frequency, by which the evaluation groups: write 'r', 'c' or 'f'"
                val.add("categories", index, category["id"], Fault("frequency", what))
    if not any(content.faults for content in found.values()):
        _compare(found)
    return found


def _compare(found: dict[str, Annotations]) -> None:
    """Check that splits have the same categories, and that there is something to train on."""
    named = [[(c["id"], c["name"]) for c in content.categories] for content in found.values()]
    for content, own in zip(found.values(), named, strict=True):
        if own != named[0]:
            raise UserError(
                f"{content.path} has other categories than another split: use files of one set"
            )
    if (train := found.get("train")) and not train.trained:
        raise UserError(
            f"{train.path} has no annotation to train on (without iscrowd or ignore, with an area "
            f"and a box of 1 px or more, in an image of {MIN_SIDE} px or more): add annotations"
        )
    # ignored: 1 is iscrowd, which is scored, 2 is ignore
    if (val := found.get("val")) and not ((val.floats[:, 4] > 0) & (val.ints[:, 6] < 2)).any():
        what = "has no annotation with an area, and without 'ignore', to score with"
        raise UserError(f"{val.path} {what}: add some")
    if train and val:
        shared = {i.path for i in train.images} & {i.path for i in val.images}
        if shared:
            what = "images are those of train: the evaluation is of what was trained on"
            val.notes.append(f"{len(shared)} {what}")


def manifest(root: Path, found: Mapping[str, Annotations]) -> dict:
    """Return the manifest of a dataset, a small summary that changes whenever the data changes.

    All images are decoded, and the progress is printed (`seesaw.core.pace`); a fault of a file is
    noted in its split (`Annotations.faults`).

    Args:
        root: LVIS folder.
        found: The content of its annotation files, from `read`.

    Returns:
        ``{"categories": C, "hash": "content", "splits": {split: {"annotations": {"file", "bytes",
        "sha256"}, "images": {"count", "bytes", "sha256"}}}}``.
    """
    splits = {}
    for split, content in found.items():
        total, sha256 = pictures.digest(_checked(root, content))
        splits[split] = {
            "annotations": {
                "file": content.path.relative_to(root).as_posix(),
                "bytes": content.bytes,
                "sha256": content.sha256,
            },
            "images": {"count": len(content.images), "bytes": total, "sha256": sha256},
        }
    categories = max((len(c.categories) for c in found.values()), default=0)
    return {"categories": categories, "hash": "content", "splits": splits}


def _checked(root: Path, content: Annotations) -> Iterator[tuple[str, bytes]]:
    pace = Pace("images checked", len(content.images))
    images = sorted(content.images, key=lambda i: i.path)
    for done, checked in enumerate(pictures.check(root, images), 1):
        pace.report(done)
        if checked.fault:
            content.add("images", checked.image.row, checked.image.id, checked.fault)
            if content.limit is not None and content.found >= content.limit:
                return
        yield checked.image.path, checked.content


def hashes(root: Path, name: str) -> dict[str, Any]:
    """Return a split's part of the manifest from the present files, which are not checked.

    Raises:
        UserError: A file is missing or cannot be read.
    """
    path = root / name
    try:
        images = sorted(relative_path(record) for record in load_annotations(path)["images"])
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not in LVIS format ({error!r}): get it again") from None

    def contents() -> Iterator[tuple[str, bytes]]:
        for relative in images:
            image = root / relative
            try:
                need_file(image)
                yield relative, image.read_bytes()
            except FileNotFoundError:
                raise UserError(f"{image} is missing: get it again") from None
            except OSError as error:
                fix = "correct its permissions, or get it again"
                raise UserError(f"{image} cannot be read ({error.strerror}): {fix}") from None

    total, sha256 = pictures.digest(contents())
    size = path.stat().st_size
    return {
        "annotations": {"file": name, "bytes": size, "sha256": sha256_file(path)},
        "images": {"count": len(images), "bytes": total, "sha256": sha256},
    }


def write_json(content: dict, path: Path) -> None:
    """Write a manifest or counts atomically, with sorted keys."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    with replacing(Path(path)) as part:
        part.write_bytes(orjson.dumps(content, option=options))
