"""What Slurm's controller answers: whether it is there, and which jobs of this user it knows."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

# Neither waits nor runs any more. ERROR is ours: a job that Slurm lost (`squeue.Watch`).
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL")
FINAL += ("ERROR",)
# Final for Slurm if it does not requeue the job, which it does not say.
NO_END = ("PREEMPTED", "NODE_FAIL")

# How long an absent controller is waited for, and between two questions; seconds.
PATIENCE, PAUSE = 3600, float(os.environ.get("SEESAW_PAUSE_SECONDS", 10))


class Queued(NamedTuple):
    """A job as the queue shows it; `name` is that of the call of Snakemake."""

    job: str
    state: str
    node: str
    name: str
    reason: str
    comment: str


def mine() -> tuple[list[Queued] | None, str]:
    """The jobs of this user, those that ended lately too; None and why not."""
    command = ["squeue", "--format=%i|%T|%N|%j|%r|%k", "--states=all", "--noheader"]
    command += ["--user", str(os.getuid())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=45)
    except FileNotFoundError:
        return None, "squeue is not installed here; run this where Slurm is"
    except subprocess.TimeoutExpired:
        return None, "no answer in 45 s"
    if done.returncode:
        return None, " ".join(done.stderr.split())
    rows = (line.strip().split("|", 5) for line in done.stdout.splitlines())
    return [Queued(*row) for row in rows if len(row) == 6], ""


def await_controller(pause: Callable[[float], object] = time.sleep) -> None:
    """Wait until Slurm's controller answers, for an hour at most.

    Args:
        pause: waits for some seconds; what it returns, if true, ends the waiting.
    """
    until = time.monotonic() + PATIENCE
    while shutil.which("scontrol") and time.monotonic() < until:
        told = subprocess.run(["scontrol", "ping"], capture_output=True, text=True)
        if " UP" in told.stdout or pause(PAUSE):
            return
