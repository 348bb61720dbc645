"""Progress of a training, read from its run log, whose last line may be incomplete."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seesaw.training import run_log

TAIL = 64 * 1024  # bytes


@dataclass(frozen=True)
class Progress:
    """The progress of a training."""

    iteration: int  # the last logged iteration; 0 before the first
    total: int | None  # iterations of the whole training; None if the log does not say
    pace: float | None  # seconds per iteration in the last logged window; None before the first
    loss: float | None  # the last logged loss
    written: float  # when the log was last written, in s since 1970
    interval: int = 20  # iterations between two log lines
    starting: bool = False  # the last attempt has not logged an iteration yet

    @property
    def seconds_left(self) -> float | None:
        """The remaining time at this speed, in seconds."""
        if self.total is None or self.pace is None:
            return None
        return (self.total - self.iteration) * self.pace


def read_progress(work: Path) -> Progress | None:
    """Return the progress of the training in a work directory; None if it has no run log.

    The directory is ``work/<scale>/<training>/seed<k>/<fingerprint>``.
    """
    log = run_log.read(work / run_log.NAME)
    if not log.attempts:
        return None
    written = mtime(work / run_log.NAME)
    attempt = log.attempts[-1]
    total = _number(attempt, "iterations")
    if not log.steps:
        return Progress(0, total, None, None, written, starting=True)
    last = log.steps[-1]
    interval = last["iter"] - (log.steps[-2]["iter"] if len(log.steps) > 1 else 0)
    pace, loss = _number(last, "time"), _number(last, "loss")
    starting = last["iter"] <= attempt["iter"]
    return Progress(last["iter"], total, pace, loss, written, max(interval, 1), starting)


def newest_work(folder: Path) -> Path | None:
    """Return the newest work directory in ``work/<scale>/<training>/seed<k>``; None without any."""
    return max(folder.glob("*"), key=mtime, default=None)


def lines(path: Path) -> list[str]:
    """Return the complete lines in the last 64 kB of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            whole, newline, _ = file.read().rpartition(b"\n")
    except OSError:
        return []
    return (whole + newline).decode(errors="replace").splitlines()


def mtime(path: Path) -> float:
    """Return the modification time in seconds since the epoch; 0 if the file does not exist."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _number(line: dict, key: str) -> Any:
    """Return a number of a log's line; None if it is missing or something else."""
    return value if isinstance(value := line.get(key), int | float) else None
