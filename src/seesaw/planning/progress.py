"""How far a training is, read from the logs that its runner writes; a torn last line is normal."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

TAIL = 64 * 1024  # bytes; a log line of the longest rung has 3 kB
_ITERATION = re.compile(r"Iter\(train\) *\[ *(\d+)/(\d+)\]")


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        iteration: the last one that was logged; 0 before the first.
        total: iterations of the whole training; None if not yet logged.
        pace: seconds an iteration, of the last logged window; None before the first.
        loss: the last logged one.
        age: seconds since the runner wrote anything.
        interval: iterations from one log line to the next.
        starting: the newest run has not logged an iteration yet.
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
    """The newest run in a training's work directory; None if there is no log.

    Args:
        work: ``work/<scale>/<training>/seed<k>/<fingerprint>``.
        now: seconds since the epoch; default the clock.
    """
    found = [path.parent for path in work.glob("*/*.log")]
    found += [path.parents[1] for path in work.glob("*/vis_data/scalars.json")]
    runs = sorted(set(found), key=_written, reverse=True)
    if not runs:
        return None
    age = (time.time() if now is None else now) - _written(runs[0])
    for run in runs:  # a resumed run has logged nothing yet: the one before tells
        steps = [entry for entry in map(_entry, lines(run / "vis_data" / "scalars.json")) if entry]
        texts = [line for log in run.glob("*.log") for line in lines(log)]
        seen = [match for match in map(_ITERATION.search, texts) if match]
        total = int(seen[-1].group(2)) if seen else None
        if steps:
            break
    if not steps:
        return Progress(0, total, None, None, age, starting=True)
    last = steps[-1]
    interval = last["iter"] - (steps[-2]["iter"] if len(steps) > 1 else 0)
    pace, loss = last.get("time"), last.get("loss")
    return Progress(last["iter"], total, pace, loss, age, max(interval, 1), starting=run != runs[0])


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


def _written(run: Path) -> float:
    """When a run last wrote, in seconds since the epoch."""
    return max(map(mtime, [run / "vis_data" / "scalars.json", *run.glob("*.log")]))


def _entry(line: str) -> dict | None:
    """A line of scalars.json, if it is whole and of training."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("iter"), int) else None
