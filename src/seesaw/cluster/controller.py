"""Snakemake's own part: one at a time in a folder, and records of what ends without it."""

from __future__ import annotations

import fcntl
import os
import platform
from pathlib import Path
from typing import TextIO

from snakemake.exceptions import WorkflowError

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


def jobs_write_records() -> None:
    """Make a Slurm job write Snakemake's record of its outputs (params, inputs) itself.

    Snakemake writes it when the job has ended; if it was killed before, the finished work would
    count as made of whatever the older record says, or of nothing known.
    """
    if "SLURM_JOB_ID" not in os.environ:
        return
    from snakemake.persistence import PersistenceBase
    from snakemake_interface_executor_plugins.settings import ExecMode

    finished = PersistenceBase.finished

    async def recorded(self, job) -> None:
        settings = self.dag.workflow.workflow_settings
        before = settings.exec_mode
        settings.exec_mode = ExecMode.DEFAULT
        try:
            await finished(self, job)
        finally:
            settings.exec_mode = before

    PersistenceBase.finished = recorded


def on_slurm(workflow) -> bool:
    """Whether this process submits to Slurm."""
    return workflow.executor_plugin.name == "slurm"
