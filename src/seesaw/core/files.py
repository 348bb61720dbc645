"""Hash files, write them atomically, and lock them for one process."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seesaw.errors import UserError


@contextmanager
def lock(target: Path) -> Iterator[None]:
    """Hold an exclusive lock on the download of ``target``.

    Raises:
        UserError: another process holds the lock.
    """
    path = target.with_name(f".{target.name}.lock")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino
        except BlockingIOError:
            held = False
        except OSError as error:  # the file system may not support locks
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            held = True
        if not held:
            file.seek(0)
            raise UserError(
                f"{target} is being downloaded by {file.read() or 'another process'}; wait for it "
                "and run the same command again."
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def sha256_file(path: Path | str) -> str:
    """Return the sha256 of a file as 64 hex digits; the file is read in chunks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` atomically if the block raises no error.

    Readers see the complete old or new file. After an error the temporary file is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # unique on all hosts that share a file system; process ids would not be
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, text: str) -> None:
    """Write a text file atomically, see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
