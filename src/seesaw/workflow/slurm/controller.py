"""Ensures that only one main process of Snakemake runs in a folder, whatever its executor."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout
from snakemake.exceptions import WorkflowError

LOCK = Path(".snakemake/controller")
STOPPED = "Terminating processes on user request"  # how Snakemake notes a Ctrl-C
_held = FileLock(LOCK, mode=0o666, fallback_to_soft=False)  # users may share a folder
_read_only: list[IO[bytes]] = []  # the lock's file, where another user made it for itself alone


def alone() -> None:
    """Take the role of the folder's only running workflow until the process ends.

    Snakemake's own lock comes too late for two workflows that start within the same second.

    Raises:
        WorkflowError: another workflow runs in this folder.
    """
    try:
        _take()
    except (Timeout, BlockingIOError):
        other = ""
        with suppress(OSError):
            other = LOCK.read_text(encoding="utf-8", errors="replace").strip()
        raise WorkflowError(
            f"{other or 'another process'} runs this workflow already; let it end, or stop it "
            "(Ctrl-C), and run the same command again."
        ) from None
    except OSError:
        return  # the file system has no locks: rely on Snakemake's own
    with suppress(OSError):  # on a full disk only the name is missing
        LOCK.write_text(f"process {os.getpid()} on {platform.node()}\n", "utf-8")


def _take() -> None:
    try:
        _held.acquire(timeout=0)
    except PermissionError:
        _read_only[:] = [LOCK.open("rb")]
        fcntl.flock(_read_only[0], fcntl.LOCK_EX | fcntl.LOCK_NB)


def stopped(logs: list[str]) -> bool:
    """Whether the user stopped Snakemake, by its log files; if so, print how to go on."""
    said = (f.read_text(encoding="utf-8", errors="replace") for f in map(Path, logs) if f.is_file())
    if not any(STOPPED in text for text in said):
        return False
    kept = "finished jobs stay, and trainings and detections go on from what they have saved"
    print(f"Stopped. Run the same command again to go on: {kept}.", file=sys.stderr)
    return True
