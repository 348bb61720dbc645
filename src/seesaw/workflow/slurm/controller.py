"""Ensures that only one main process of Snakemake runs in a folder, whatever its executor."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
from pathlib import Path
from typing import TextIO

from snakemake.exceptions import WorkflowError

from seesaw.workflow.slurm import ledger

LOCK = Path(".snakemake/controller")
_held: list[TextIO] = []


def alone() -> None:
    """Take the role of the folder's only running workflow until the process ends.

    Snakemake's own lock comes too late for two workflows that start within the same second.

    Raises:
        WorkflowError: another workflow runs in this folder.
    """
    file = LOCK.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise WorkflowError(
            f"{file.read().strip() or 'another process'} runs this workflow already; "
            "let it end, or stop it (Ctrl-C), and run the same command again."
        ) from None
    except OSError:
        return  # the file system has no locks: rely on Snakemake's own
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    _held.append(file)


def submits(scale: str) -> None:
    """Set the scale for which this process submits jobs; keys in the ledger begin with it."""
    os.environ[ledger.SCALE] = scale


def on_slurm(workflow) -> bool:
    """Whether this process submits jobs to SLURM."""
    return workflow.executor_plugin.name == "seesaw-slurm"


def stopped(logs: str | list[str]) -> bool:
    """Whether a run ended because the user stopped it; tell how to go on.

    Args:
        logs: the run's own log files, in which Snakemake has noted it.
    """
    files = [Path(log) for log in ([logs] if isinstance(logs, str) else logs)]
    said = (f.read_text(encoding="utf-8", errors="replace") for f in files if f.is_file())
    if not any("Terminating processes on user request" in text for text in said):
        return False
    kept = "finished jobs stay, and trainings and detections go on from what they have saved"
    print(f"Stopped. Run the same command again to go on: {kept}.", file=sys.stderr)
    return True
