"""The table of downloads (configs/downloads.yaml), and the hashes that first downloads had."""

from __future__ import annotations

import fcntl
import re
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field, model_validator

from seesaw.core import paths
from seesaw.core.integrity import sha256_of
from seesaw.core.names import instead
from seesaw.core.yaml import Strict, read_model, read_yaml
from seesaw.errors import UserError
from seesaw.spec import datasets

FILE = paths.CONFIGS / "downloads.yaml"
LOCKED = paths.CONFIGS / "downloads.lock.yaml"
DATA = paths.ROOT / "data"
ARCHIVES = DATA / "downloads"  # archives until they are unpacked, and the records of downloads
DIGITS = 64  # of a whole sha256
_NAMED = re.compile(r"-([0-9a-f]{8})\.\w+$")


class Remote(Strict):
    """A file to download, and the file or folder that is made from it.

    ``sha256`` is whole, or the eight digits in the file's name; ``source`` is the file that has it.
    """

    name: str
    set: str
    address: str
    urls: tuple[str, ...] = Field(min_length=1)
    bytes: int | None = Field(default=None, gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{8}([0-9a-f]{56})?$")
    source: Path = FILE
    makes: PurePosixPath | None = None
    counts: dict[str, int] = {}
    invalid: list[int] = []
    checkpoint: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, raw: dict) -> dict:
        named = _NAMED.search(raw["name"])
        return {"sha256": named[1], **raw} if named else raw

    @model_validator(mode="after")
    def _as_named(self) -> Remote:
        named = _NAMED.search(self.name)
        if named and not self.sha256.startswith(named[1]):
            raise ValueError(f"the sha256 of {self.source} does not begin as the file's name says")
        return self

    @property
    def path(self) -> Path:
        """The path of the downloaded file."""
        return ARCHIVES / self.name if self.makes else DATA / self.set / self.name

    @cached_property
    def made(self) -> Path:
        """The path of the unpacked content, or of the file itself if it is no archive."""
        return datasets.load(self.set).root / self.makes if self.makes else self.path

    @property
    def of_images(self) -> bool:
        """Whether the file is an archive of images."""
        return "files" in self.counts

    def check(self) -> None:
        """Check downloaded weights before they are read; the hash of a large file is cached.

        Raises:
            UserError: the file is missing, or its sha256 does not begin with the known digits.
        """
        fix = f"run `seesaw download {self.set}` where there is internet"
        if not self.path.is_file():
            raise UserError(f"{self.path} is missing; {fix}.")
        if not (found := sha256_of(self.path)).startswith(self.sha256):
            raise UserError(
                f"{self.path} is not the file of {self.source} (sha256 {found[:12]}, known "
                f"{self.sha256[:12]}); delete it and {fix}."
            )


class _Written(Strict):
    """The content of the file, in which a row lacks its name and set."""

    addresses: dict[str, list[str]] | None = None
    sets: dict[str, dict[str, dict[str, Any]] | None] | None = None


class Downloads(Strict):
    """The table of downloads: set -> file name -> file."""

    addresses: dict[str, tuple[str, ...]]
    sets: dict[str, dict[str, Remote]]

    def find(self, word: str) -> list[Remote]:
        """Return the files of the set ``word``, or the one file whose name begins with it.

        Raises:
            UserError: no file matches, or several do.
        """
        if word in self.sets:
            return list(self.sets[word].values())
        found = [r for files in self.sets.values() for n, r in files.items() if n.startswith(word)]
        if len(found) != 1:
            every = [*self.sets, *(name for files in self.sets.values() for name in files)]
            raise UserError(f"{FILE}: {word!r} names no set or file; {instead(word, every)}")
        return found

    def weights(self, checkpoint: str) -> Path:
        """Return the path of a pre-trained ``checkpoint``; a path is returned unchanged.

        Raises:
            UserError: the checkpoint is given by a name that is not in the table.
        """
        return self.pretrained(checkpoint).path if "://" in checkpoint else Path(checkpoint)

    def pretrained(self, checkpoint: str) -> Remote:
        """Return the file of a pre-trained ``checkpoint``, which is given by its name in init_cfg.

        Raises:
            UserError: the name is not in the table.
        """
        for remote in self.sets.get("pretrained", {}).values():
            if remote.checkpoint == checkpoint:
                return remote
        raise UserError(
            f"{FILE}: no file of pretrained has `checkpoint: {checkpoint}`; add one, or name a "
            "local file in init_cfg."
        )


def load(path: Path | None = None) -> Downloads:
    """Read and check the table.

    Raises:
        UserError: the file is missing or invalid; the message names file, key and fix.
    """
    path = path or FILE
    raw = read_model(path, _Written)
    addresses = raw.addresses or {}
    sets: dict[str, dict] = {}
    locked = _locked()
    for group, files in (raw.sets or {}).items():
        sets[group] = {}
        for name, row in (files or {}).items():
            if (known := row.get("address")) not in [*addresses]:  # any type, hashable or not
                raise UserError(f"{path}: sets.{group}.{name} has no address of {list(addresses)}.")
            urls = [base + name for base in addresses[known]]
            filled = {"name": name, "set": group, "urls": urls}
            if odd := [key for key in filled if key in row]:
                at = f"sets.{group}.{name}.{odd[0]}"
                raise UserError(f"{path}: {at} is no known key; remove it.")
            sets[group][name] = {**filled, **row}
            if name in locked and "sha256" not in row:
                sets[group][name] |= {"sha256": locked[name], "source": LOCKED}
    return read_model(path, Downloads, {"addresses": addresses, "sets": sets})


def keep_hash(name: str, sha256: str) -> None:
    """Add the whole hash of a file's first download to `LOCKED`.

    Raises:
        UserError: the file had another hash before.
        OSError: `LOCKED` cannot be written.
    """
    with LOCKED.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another process may download another file
        known = _locked().get(name)
        if known is None:
            begun = LOCKED.read_text(encoding="utf-8")  # an editor may have left no last newline
            before = "files:\n" if not begun else "" if begun.endswith("\n") else "\n"
            file.write(f"{before}  {name}: {sha256}\n")
    if known not in (None, sha256):
        raise UserError(
            f"{name} has the sha256 {sha256}, but {LOCKED} says {known}; delete the file, and "
            "download it again."
        )


def _locked() -> dict[str, str]:
    if not LOCKED.is_file() or not LOCKED.stat().st_size:
        return {}
    files = read_yaml(LOCKED).get("files") or {}
    if not isinstance(files, dict):
        raise UserError(f"{LOCKED}: files is no mapping; restore it from git.")
    return files


def record_path(group: str) -> Path:
    """Return the path of the record of a set, which is written when all its files are complete."""
    return ARCHIVES / f"{group}.json"
