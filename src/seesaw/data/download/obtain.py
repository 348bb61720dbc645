"""Put a file of the table in its place: keep it, link it, or download and unpack it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from seesaw.core import paths
from seesaw.core.files import lock, replacing
from seesaw.data.download.fetch import fetch, verify
from seesaw.data.download.progress import progress
from seesaw.data.download.unpack import Held, holds, need_room, unpack, unpacked_bytes, words
from seesaw.errors import UserError
from seesaw.spec.downloads import DIGITS, LOCKED, Remote, keep_hash

# Size after unpacking relative to the archive, for images (True) and annotations (False).
_GROWTH = {True: 1.0, False: 4.0}


def obtain(remote: Remote, coco: Path | None, keep: bool = False) -> dict:
    """Make sure that a file of the table exists, complete and with the right content.

    COCO's images and archives in the folder ``coco`` are used in place.

    Returns:
        The file's entry in the record of its set; it does not depend on how the file was obtained.

    Raises:
        UserError: the existing file differs, or the file cannot be downloaded or unpacked.
    """
    held = None
    if remote.made.exists():
        how = "in place"
    elif remote.of_images and (folder := _folder(remote, coco)):
        _check(folder, remote)
        remote.made.parent.mkdir(parents=True, exist_ok=True)
        remote.made.unlink(missing_ok=True)  # a dangling link
        remote.made.symlink_to(folder.resolve())
        how = f"linked to {folder}"
    elif remote.of_images and remote.made.is_symlink():  # which no folder can replace
        raise UserError(
            f"{remote.made} is a link to {remote.made.readlink()}, which is missing; mount or "
            f"restore it, or delete the link, and run `seesaw download {remote.set}` again."
        )
    else:
        source, how = _file(remote, coco)
        if remote.makes:
            total = remote.counts.get("files")
            own = lock(remote.made.with_name(f".{remote.made.name}.lock"), str(remote.made))
            with own, progress(f"unpacking {source.name}", total, of_bytes=False) as report:
                held = unpack(source, remote, report)
            if source == remote.path and not keep:
                source.unlink()
        elif source != remote.path:
            with replacing(remote.path) as part:
                shutil.copyfile(source, part)
    facts = _check(remote.made, remote, held)
    if how == "in place" and not remote.makes:
        how += f", {_proof(remote, facts['sha256'])}"
    print(f"{remote.made}: {how}{_unusable(remote, facts)}", flush=True)
    return facts


def check_space(
    remotes: Iterable[Remote], settings: Path, coco: Path | None, keep: bool = False
) -> None:
    """Refuse downloads for which, with what is unpacked from them, the disk has no room.

    ``settings`` is the file in which a COCO folder can be named.
    """
    folder = paths.ROOT / "data"
    folder.mkdir(parents=True, exist_ok=True)
    fix = f"make room, link it to a larger disk, or name your COCO folder as `coco` in {settings}"
    need_room(folder, space(remotes, coco, keep), fix)


def space(remotes: Iterable[Remote], coco: Path | None, keep: bool = False) -> float:
    """Return the bytes that are still needed at most while files are downloaded and unpacked.

    What is used in the folder ``coco``, and what an interrupted call has left, needs none again.
    """
    lasting = worst = 0.0
    for remote in remotes:
        linked = remote.of_images and _folder(remote, coco)
        if remote.made.exists() or linked or remote.bytes is None:
            continue
        here = remote.path if remote.path.exists() else remote.path.with_name(f"{remote.name}.part")
        there = not remote.path.exists() and any(p.is_file() for p in _archives(remote, coco))
        size = 0 if there else remote.bytes
        left = max(size - (here.stat().st_size if here.exists() else 0), 0)
        unpacked = remote.bytes * _GROWTH[remote.of_images] if remote.makes else 0
        unpacked = max(unpacked - unpacked_bytes(remote), 0)
        worst = max(worst, lasting + left + unpacked)
        stays = size if keep or not remote.makes else 0
        lasting += unpacked + stays - (size - left)
    return worst


def _folder(remote: Remote, coco: Path | None) -> Path | None:
    """Return the user's own folder of these images."""
    if coco is None or remote.makes is None:
        return None
    places = (coco / remote.makes.name, coco / "images" / remote.makes.name)
    return next((p for p in places if p.is_dir()), None)


def _archives(remote: Remote, coco: Path | None) -> list[Path]:
    """Return where the user's own copy of an archive may be."""
    if coco is None or remote.makes is None:
        return []
    return [coco / remote.name, coco / "zips" / remote.name, coco.parent / remote.name]


def _file(remote: Remote, coco: Path | None) -> tuple[Path, str]:
    """Return the verified file itself, and a phrase that says how it was obtained and checked."""
    cache = Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser() / "hub/checkpoints"
    elsewhere = _archives(remote, coco) or [cache / remote.name]
    if remote.path.exists():
        elsewhere = [remote.path]
    for path in elsewhere:
        if path.is_file():
            with progress(f"checking {path.name}", path.stat().st_size) as report:
                if digest := verify(path, remote, report):
                    return path, f"from {path}, {_proof(remote, digest)}"
            if path == remote.path:
                raise _wrong(path, remote)
            print(
                f"{path} is not the file of {remote.source} (another sha256): passed over",
                flush=True,
            )
    with progress(remote.name, remote.bytes) as report:
        digest = fetch(remote, report)
    return remote.path, f"downloaded, {_proof(remote, digest)}"


def _proof(remote: Remote, digest: str) -> str:
    """Keep a hash of which only the first digits were known; say how much of it was checked."""
    if len(remote.sha256) == DIGITS:
        return f"sha256 {remote.sha256[:8]}… is right"
    said = f"{len(remote.sha256)} of {DIGITS} digits of its sha256 checked"
    try:
        keep_hash(remote.name, digest)
    except OSError as error:
        return f"{said}; the whole cannot be kept in {LOCKED} ({error.strerror})"
    return f"{said}; the whole is kept in {LOCKED}, which you should commit"


def _check(path: Path, remote: Remote, held: Held | None = None) -> dict:
    """Return the facts of an existing file for the record; a UserError if the table has others."""
    facts: dict = {"path": remote.made.as_posix(), "sha256": remote.sha256}
    if not remote.makes:
        if not (digest := verify(path, remote)):
            raise _wrong(path, remote)
        return facts | {"sha256": digest}
    if remote.of_images and not path.is_dir():
        raise UserError(f"{path} is no folder; move it away and run the same command again.")
    held = held or holds(path, remote)
    if held.counts != remote.counts:
        raise UserError(
            f"{path} holds {words(held.counts)}, not {words(remote.counts)}; complete it, or move "
            f"it away and run `seesaw download {remote.set}` again."
        )
    return facts | {"counts": held.counts} | ({"without_box": b} if (b := held.without_box) else {})


def _wrong(path: Path, remote: Remote) -> UserError:
    return UserError(
        f"{path} is not the file of {remote.source} (another length or sha256); delete it and run "
        f"`seesaw download {remote.set}` again."
    )


def _unusable(remote: Remote, facts: dict) -> str:
    """Return a sentence about the annotations that have no usable box."""
    found = facts.get("without_box", [])
    if not found and not remote.invalid:
        return ""
    rest = sorted(set(remote.invalid) - set(found))
    listed = f"; listed as invalid beside these: {', '.join(map(str, rest))}" if rest else ""
    shown = ", ".join(map(str, found[:20])) + (", …" if len(found) > 20 else "")
    return (
        f"\n  {len(found)} annotations have no usable box ({shown or 'none'}){listed}: trainings "
        "leave out a box without area, the evaluation counts what lvis-api counts"
    )
