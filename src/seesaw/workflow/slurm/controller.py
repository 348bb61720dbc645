"""Snakemake's main process: one at a time in a folder, whichever executor it uses."""

from __future__ import annotations

import fcntl
import os
import platform
from pathlib import Path
from typing import TextIO

from snakemake.exceptions import WorkflowError

from seesaw.workflow.slurm import ledger

LOCK = Path(".snakemake/controller")
_held: list[TextIO] = []


def alone() -> None:
    """Be the only running workflow of this folder until the process ends, however it ends.

    Snakemake's own lock is found too late by two that start in the same second.

    Raises:
        WorkflowError: another one runs.
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
        return  # a file system without locks: Snakemake's own must do
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    _held.append(file)


def submits(run: str) -> None:
    """Name the scale whose work this process submits: the keys in the ledger begin with it."""
    os.environ[ledger.RUN] = run


def on_slurm(workflow) -> bool:
    """Whether this process submits to Slurm."""
    return workflow.executor_plugin.name == "seesaw-slurm"
