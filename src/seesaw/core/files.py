"""Hash files, write them atomically, append to them, and lock them for one process."""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from seesaw.errors import UserError


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock, which the kernel releases when the process ends in any way.

    Where the file system has no locks, or the folder is read-only, nothing is locked. The holder is
    noted in another file beside ``path``; ``what`` is the subject of the error's sentence.

    Raises:
        UserError: another process holds the lock; the sentence names it.
    """
    holder = path.with_name(f"{path.name}.holder")
    # Its substitute where there are no locks is a file that would outlive a killed process.
    held = FileLock(path, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=0)
    except Timeout:
        try:
            other = holder.read_text(encoding="utf-8")
        except OSError:
            other = "another process"
        raise UserError(
            f"{what} is being made by {other}; wait for it and run the same command again."
        ) from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        with suppress(OSError):
            holder.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        for file in (holder, path):
            file.unlink(missing_ok=True)
        held.release()


def sha256_file(path: Path | str) -> str:
    """Return the sha256 of a file as 64 hex digits; the file is read in chunks."""
    made = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            made.update(chunk)
    return made.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` atomically if the block raises no error.

    Readers see the complete old or new file. After an error the temporary file is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # unique on all hosts that share a file system; process ids would not be
    temporary = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, text: str) -> None:
    """Write a text file atomically, see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file, below one that a full disk has left incomplete."""
    torn = path.is_file() and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * torn + line + "\n")
