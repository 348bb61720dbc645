"""Unpack archives into a folder of images or an annotation file, atomically."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import orjson

from seesaw.core.files import replacing
from seesaw.data.download.fetch import Report
from seesaw.errors import UserError
from seesaw.spec.downloads import Remote

# zipfile raises all these: for a wrong checksum or directory, damaged data, a password, a method
_DAMAGED = (zipfile.BadZipFile, EOFError, zlib.error, struct.error, RuntimeError, ValueError)


class Held(NamedTuple):
    """The content of a file or folder: the table's counts, and annotations without a usable box."""

    counts: dict[str, int]
    without_box: list[int] = []


def unpack(archive: Path, remote: Remote, report: Report = lambda _: None) -> Held:
    """Unpack an archive, continuing where an earlier attempt stopped.

    Raises:
        UserError: the archive is damaged or has other content, or the disk is full.
    """
    target, part = remote.made, _part(remote)
    try:
        with zipfile.ZipFile(archive) as file:
            members = _members(file, remote, archive)
            _check_space(members, part)
            if remote.of_images:
                part.mkdir(parents=True, exist_ok=True)
                for done, member in enumerate(members, 1):
                    _extract(file, member, part / PurePosixPath(member.filename).name)
                    report(done)
            else:
                part.parent.mkdir(parents=True, exist_ok=True)
                _extract(file, members[0], part)
    except _DAMAGED as error:
        raise UserError(
            f"{archive} is damaged ({error}); delete it and run `seesaw download {remote.set}` "
            "again."
        ) from None
    except OSError as error:
        raise UserError(
            f"{part} cannot be written ({error.strerror}); make room there and run "
            f"`seesaw download {remote.set}` again: it goes on."
        ) from None
    found = holds(part, remote)
    if found.counts != remote.counts:
        raise UserError(
            f"{archive} makes {words(found.counts)}, but {words(remote.counts)} are expected; "
            f"delete {archive} and {part} and run `seesaw download {remote.set}` again."
        )
    os.replace(part, target)  # not by `replacing`, as a part stays for the next attempt
    return found


def unpacked_bytes(remote: Remote) -> int:
    """Return the bytes of images that an interrupted unpacking has left."""
    part = _part(remote)
    return sum(entry.stat().st_size for entry in os.scandir(part)) if part.is_dir() else 0


def _part(remote: Remote) -> Path:
    return remote.made.with_name(f".{remote.made.name}.part")


def holds(path: Path, remote: Remote) -> Held:
    """Count the content of an unpacked file or folder.

    Annotations without a usable box are those that mmdet leaves out of a training
    (mmdet/datasets/coco.py, parse_data_info): a side is below one pixel, or the area is zero.

    Raises:
        UserError: an annotation file is not JSON.
    """
    if remote.of_images:
        return Held({"files": sum(entry.name.endswith(".jpg") for entry in os.scandir(path))})
    try:
        content = orjson.loads(path.read_bytes())
        counts = {key: len(content.get(key, ())) for key in remote.counts}
        without_box = [
            a["id"]
            for a in content.get("annotations", ())
            if a["area"] <= 0 or a["bbox"][2] < 1 or a["bbox"][3] < 1
        ]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no annotation file ({error!r}); delete it.") from None
    return Held(counts, sorted(without_box))


def _members(file: zipfile.ZipFile, remote: Remote, archive: Path) -> list[zipfile.ZipInfo]:
    """Return the archive's members to unpack: those of the folder, or the annotation file."""
    assert remote.makes is not None  # true of each archive
    folder = remote.makes.name

    def wanted(name: PurePosixPath) -> bool:
        if remote.of_images:
            return name.parent == PurePosixPath(folder) and name.suffix == ".jpg"
        return name.name == folder and not name.parts[0].startswith("__MACOSX")

    found = [m for m in file.infolist() if not m.is_dir() and wanted(PurePosixPath(m.filename))]
    if len(found) != remote.counts.get("files", 1):
        raise UserError(
            f"{archive} holds {len(found)} files of {folder}, but {remote.counts.get('files', 1)} "
            "are expected; delete it and download it again."
        )
    return found


def _extract(file: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Extract one file atomically; zipfile verifies its checksum."""
    if target.exists() and target.stat().st_size == member.file_size:
        return
    with replacing(target) as part, file.open(member) as source, part.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def _check_space(members: list[zipfile.ZipInfo], part: Path) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    done = {e.name for e in os.scandir(part)} if part.is_dir() else set()
    needed = sum(m.file_size for m in members if PurePosixPath(m.filename).name not in done)
    need_room(part, needed, "make room and run the same command again: it goes on")


def need_room(path: Path, needed: float, fix: str) -> None:
    """Raise a UserError, which ends with ``fix``, if so many bytes more have no room at a path."""
    free = shutil.disk_usage(path if path.is_dir() else path.parent).free
    if needed > free:
        raise UserError(
            f"{path} needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free there; {fix}."
        )


def words(counts: dict[str, int]) -> str:
    """Return counts as text."""
    return ", ".join(f"{n:,} {what}" for what, n in counts.items())
