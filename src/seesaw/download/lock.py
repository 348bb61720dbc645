"""A file that one process downloads; the system forgets the lock with the process."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seesaw.errors import UserError


@contextmanager
def lock(target: Path) -> Iterator[None]:
    """Hold the right to download ``target``.

    Raises:
        UserError: another process has it.
    """
    path = target.with_name(f".{target.name}.lock")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino
        except BlockingIOError:
            held = False
        except OSError as error:  # a file system without locks
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
