"""The first process of a job's step, which passes SIGTERM on to the processes of its command.

python -m seesaw.workflow.slurm.step COMMAND...

A site that tracks processes by cgroup signals only a step's first process before it kills all of
them. Without this one that is the job's Snakemake, which tells no other process (snakemake issue
3241), so no training would save.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress

import psutil


def main(argv: list[str]) -> int:
    """Run a command; return its exit code, 128 + number for a signal."""
    command = subprocess.Popen(argv)

    def forward(number: int, frame: object) -> None:
        # Not to Snakemake itself, which would count a job as failed that ends in good time.
        if not pass_on(number, command.pid):
            command.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    status = command.wait()
    return status if status >= 0 else 128 - status


def pass_on(number: int, process: int) -> bool:
    """Send a signal to all descendants of a process, given by its id; return whether it has any."""
    try:
        below = psutil.Process(process).children(recursive=True)
    except psutil.NoSuchProcess:
        return True
    for one in below:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(number)
    return bool(below)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
