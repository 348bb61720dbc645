"""How far a training is, by its run log; a torn last line is normal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from seesaw.training import run_log

TAIL = 64 * 1024  # bytes


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        iteration: the last one that was logged; 0 before the first.
        total: iterations of the whole training; None if the log does not say.
        pace: seconds an iteration, of the last logged window; None before the first.
        loss: the last logged one.
        age: seconds since anything was logged.
        interval: iterations from one log line to the next.
        starting: the last attempt has not logged an iteration yet.
    """

    iteration: int
    total: int | None
    pace: float | None
    loss: float | None
    age: float
    interval: int = 20
    starting: bool = False

    @property
    def seconds_left(self) -> float | None:
        """What remains at this pace, in seconds."""
        if self.total is None or self.pace is None:
            return None
        return (self.total - self.iteration) * self.pace


def read_progress(work: Path, now: float | None = None) -> Progress | None:
    """The state of the training in a work directory; None if it has no run log.

    Args:
        work: ``work/<scale>/<training>/seed<k>/<fingerprint>``.
        now: seconds since the epoch; default the clock.
    """
    log = run_log.read(work / run_log.NAME)
    if not log.attempts:
        return None
    age = (time.time() if now is None else now) - mtime(work / run_log.NAME)
    attempt, total = log.attempts[-1], log.attempts[-1].get("iterations")
    if not log.steps:
        return Progress(0, total, None, None, age, starting=True)
    last = log.steps[-1]
    interval = last["iter"] - (log.steps[-2]["iter"] if len(log.steps) > 1 else 0)
    pace, loss, starting = last.get("time"), last.get("loss"), last["iter"] <= attempt["iter"]
    return Progress(last["iter"], total, pace, loss, age, max(interval, 1), starting)


def lines(path: Path) -> list[str]:
    """The whole lines in the last 64 kB of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            whole, newline, _ = file.read().rpartition(b"\n")
    except OSError:
        return []
    return (whole + newline).decode(errors="replace").splitlines()


def mtime(path: Path) -> float:
    """Seconds since the epoch; 0 if there is no such file."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
