"""Check that a dataset is still what its manifest says before a verb reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seesaw.core.integrity import refuse, sha256_of
from seesaw.core.json import read_json
from seesaw.data import lvis_folder
from seesaw.errors import UserError
from seesaw.spec.datasets import DatasetEntry
from seesaw.spec.outputs import Manifest

MUCH = 2**29  # bytes of images or annotations that are read in a few seconds


def refuse_changed(entry: DatasetEntry, split: str, again: str) -> None:
    """Refuse a split that has changed since its manifest was written.

    The images of a large dataset are not looked at, which takes minutes; `seesaw verify` does.

    Args:
        entry: the dataset.
        split: train, val or test_dev.
        again: the command that writes the manifest.

    Raises:
        UserError: the manifest, the category counts, the annotations or the images differ.
    """
    refuse([entry.manifest, entry.category_counts])
    known = read_json(entry.manifest, Manifest, f"make it again: `{again}`")
    if split not in known["splits"]:
        raise UserError(f"{entry.manifest} has no split {split}; make it again: `{again}`.")
    said = known["splits"][split]
    file = entry.root / said["annotations"].get("file", "")
    found = changes(entry, known, split)
    if file.is_file() and max(said["annotations"]["bytes"], said["images"]["bytes"]) >= MUCH:
        same = sha256_of(file) == said["annotations"]["sha256"]
        found = iter([] if same else [(file, "not the annotations")])
    for path, what in found:
        raise UserError(
            f"{path}: {what} of {entry.manifest}; restore what was there, or, if the change is "
            f"meant, run `{again}`."
        )


def changes(entry: DatasetEntry, known: Manifest, split: str) -> Iterator[tuple[Path, str]]:
    """Yield the annotation file and what of it, or of its images, is not that of the manifest.

    Raises:
        UserError: a file is missing or damaged.
    """
    said = known["splits"][split]
    name = said["annotations"].get("file", "")
    now = lvis_folder.hashes(entry.root, name)
    if now["annotations"] != said["annotations"]:
        yield entry.root / name, "not the annotations"
    if now["images"] != said["images"]:
        yield entry.root / name, "its images are not those"
