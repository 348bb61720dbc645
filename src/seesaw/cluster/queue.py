"""Slurm's own commands, as asked by those of the same names that stand before them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

# Neither waits nor runs any more.
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL")
# Final for Slurm, but Snakemake's plugin waits for a requeue that does not come.
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
    if (real := own("squeue")) is None:
        return None, "it is not installed"
    user = str(os.getuid())
    command = [real, "--format=%i|%T|%N|%j|%r|%k", "--states=all", "--noheader", "--user", user]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=45)
    except subprocess.TimeoutExpired:
        return None, "no answer in 45 s"
    if done.returncode:
        return None, " ".join(done.stderr.split())
    rows = (line.strip().split("|", 5) for line in done.stdout.splitlines())
    return [Queued(*row) for row in rows if len(row) == 6], ""


def own(tool: str) -> str | None:
    """Slurm's program of this name, not ours."""
    ours = os.environ.get("SEESAW_BIN")
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(tool, path=os.pathsep.join(p for p in places if p != ours))


def pass_on(tool: str, arguments: list[str]) -> int:
    """Become Slurm's own program; 127 where there is none."""
    if (real := own(tool)) is None:
        print(f"{tool} is not installed; run this where Slurm is.", file=sys.stderr)
        return 127
    os.execv(real, [real, *arguments])


def answered(argv: list[str]) -> int:
    """Slurm's own command, once its controller answers.

    Of sinfo, which Snakemake's plugin asks before a submission, and of srun, with which a job
    starts its step: both fail at once without it, which would cost an attempt.
    """
    tool, *arguments = argv
    ping, until = own("scontrol"), time.monotonic() + PATIENCE
    while ping and time.monotonic() < until:
        told = subprocess.run([ping, "ping"], capture_output=True, text=True)
        if " UP" in told.stdout:
            break
        time.sleep(PAUSE)
    return pass_on(tool, arguments)


def say(sentence: str) -> None:
    """To Snakemake's own terminal or log: it swallows what its queries say."""
    process = os.getppid()
    try:
        while "python" not in Path(f"/proc/{process}/exe").readlink().name:  # a shell between
            facts = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
            process = int(facts.rpartition(")")[2].split()[1])
        with open(f"/proc/{process}/fd/2", "a", encoding="utf-8") as terminal:
            terminal.write(f"seesaw: {sentence}.\n")
    except OSError:
        pass
