"""The dataset table (configs/datasets.yaml)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import field_validator

from seesaw.core import paths
from seesaw.core.json import json_or_none
from seesaw.core.names import instead
from seesaw.core.records import provenance_path
from seesaw.core.yaml import Strict, keyed, read_model, read_yaml
from seesaw.errors import UserError
from seesaw.spec.outputs import Counts, Manifest

LONGEST = 200  # bytes of a name; a file system's limit is 255


class DatasetEntry(Strict):
    """A dataset in LVIS format: folder, annotation files and, if generated, its specification."""

    name: str
    root: Path
    train: str
    val: str
    test_dev: str | None = None
    generate: dict[str, Any] | None = None
    categories: int | None = None

    @field_validator("train", "val", "test_dev")
    @classmethod
    def _below_root(cls, name: str | None) -> str | None:
        if name and Path(name).is_absolute():
            raise ValueError("its path must be relative to root")
        return name

    @cached_property
    def classes(self) -> int:
        """The number of categories: from the table, from the generator, or counted in val.

        Raises:
            UserError: the categories must be counted and the annotation file is missing or broken.
        """
        if self.categories is not None:
            return self.categories
        if self.generate is not None:
            from seesaw.spec.mini_lvis import MiniLvisSpec

            return MiniLvisSpec.parse(self.generate, f"{paths.DATASETS} ({self.name})").categories
        from seesaw.spec.annotations import load_annotations

        return len(load_annotations(self.root / self.val)["categories"])

    @property
    def files(self) -> dict[str, str]:
        """Split -> annotation file below ``root``; test_dev may have none."""
        files = {"train": self.train, "val": self.val}
        return files | ({"test_dev": self.test_dev} if self.test_dev else {})

    @property
    def manifest(self) -> Path:
        """The file of hashes of the data, on which the workflow depends instead of the data."""
        return self.root / "manifest.json"

    @property
    def category_counts(self) -> Path:
        """The file with the numbers of training images and instances of each category."""
        return self.root / "category_counts.json"

    @property
    def truth(self) -> Path:
        """The folder of a generated dataset's test-dev annotations, outside its own folder."""
        return self.root.parent / f"{self.root.name}_test_dev_truth"


def table() -> dict[str, Any]:
    """Return name -> row, unchecked."""
    rows = read_yaml(paths.DATASETS).get("datasets")
    # YAML reads a name such as 2024 as a number
    return {str(key): row for key, row in rows.items()} if isinstance(rows, dict) else {}


def load(name: str) -> DatasetEntry:
    """Return an entry of the table by its name, or a folder in LVIS format by its path.

    The files of a folder are found by name: the only ``annotations/*train*.json``, ``*val*.json``
    and, if there is one, ``*test*.json``.

    Raises:
        UserError: there is no such entry or folder, it cannot be named in a workflow, its files are
            not found, or the user's own file stands where `seesaw data` would write.
    """
    rows = table()
    if name in rows:
        row = rows[name] if isinstance(rows[name], dict) else {}
        row = keyed(paths.DATASETS, "datasets", "name", {name: row})[name]
        entry = read_model(paths.DATASETS, DatasetEntry, row, f"datasets.{name}")
        _refuse_unnamable(entry, name, f"{name} {entry.root}")
        entry = entry.model_copy(update={"root": paths.ROOT / entry.root})
        if entry.generate is None:
            _refuse_own_files(entry)
        return entry
    folder = Path(name)
    if not folder.is_dir():
        raise UserError(
            f"{paths.DATASETS}: the dataset {name!r} is neither an entry nor a folder; "
            f"{instead(name, rows)}"
        )
    files: dict[str, str | None] = {}
    for split, word in (("train", "train"), ("val", "val"), ("test_dev", "test")):
        files[split] = _only(folder, word, [*files.values()])
    entry = DatasetEntry(name=folder.resolve().name, root=folder, **files)  # type: ignore[arg-type]
    _refuse_unnamable(entry, name, f"{name} {entry.name}")
    _refuse_own_files(entry)
    return entry


def _refuse_own_files(entry: DatasetEntry) -> None:
    """Refuse a folder in which a file of the user would be replaced by one of `seesaw data`.

    The workflow deletes the outputs of a job before it starts, so the verb itself comes too late.
    """
    kinds: dict[Path, Any] = {entry.manifest: Manifest, entry.category_counts: Counts}
    for path, kind in kinds.items():
        made = not path.is_file() or provenance_path(path).is_file()
        if not made and json_or_none(path, kind) is None:
            raise UserError(
                f"{path} is a file of your own, which `seesaw data` would replace; rename it, or "
                "name a folder with links to the subfolders of this one."
            )


def _refuse_unnamable(entry: DatasetEntry, name: str, spelled: str) -> None:
    """Refuse a dataset that Snakemake, which takes braces for wildcards, would misread.

    Refuse also one with so long a name that no file could be named after it.
    """
    if (length := len(os.fsencode(entry.name))) > LONGEST:
        raise UserError(
            f"the dataset {entry.name[:20]}… has a name of {length} bytes, and results are named "
            f"after it; rename it to {LONGEST} bytes at most."
        )
    files = f"{entry.train} {entry.val} {entry.test_dev}"  # inputs of the rule data
    odd = set("{}") & set(spelled + files) or not spelled.isprintable()
    if odd or name.startswith("-") or _as_snakemake(name) != name:
        raise UserError(
            f"the dataset {name!r} cannot be named in a workflow (no braces in name, folder and "
            "annotation files, no line breaks in name and folder; in the name no ': ', ' #', no -, "
            "[, & or other sign of YAML before it, no quotes or spaces around it, no : at its end, "
            "and no number such as 007, 1.10 or 1e5); rename what has them, or give the folder an "
            f"entry in {paths.DATASETS}."
        )


def _as_snakemake(text: str) -> str:
    """Return what Snakemake makes of ``--config dataset=text``, as text."""
    as_yaml = partial(yaml.load, Loader=yaml.BaseLoader)
    readers: tuple[Callable[[str], Any], ...] = (int, float, as_yaml)
    for read in readers:
        with suppress(ValueError, LookupError, AttributeError, RecursionError, yaml.YAMLError):
            return str(read(text))
    return text


def _only(folder: Path, word: str, taken: list[str | None]) -> str | None:
    """Return the only file with a word in its name, besides those that are other splits' files."""
    # a Mac's archive has a hidden ._train.json beside each train.json
    every = folder.glob(f"annotations/*{word}*.json")
    names = (str(path.relative_to(folder)) for path in every if not path.name.startswith("."))
    found = [name for name in names if name not in taken]  # medieval_train.json is no val file
    if len(found) == 1:
        return found[0]
    if word == "test" and not found:
        return None
    raise UserError(
        f"{folder}/annotations holds {len(found)} files named *{word}*.json, not one; "
        f"give the folder an entry in {paths.DATASETS}."
    )
