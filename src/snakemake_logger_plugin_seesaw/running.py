"""What a job that runs is at: the end of its log, the time left, and whether SLURM lets it wait."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from seesaw.core import paths
from seesaw.workflow.plan import duration
from seesaw.workflow.progress import lines, newest_work, read_progress
from seesaw.workflow.slurm import queue

EVERY = 60.0  # seconds a line of the reports where no live display can be shown
FRESH = 5.0  # seconds for which the end of a log is not read again
_STAMP = re.compile(r"^\S+ \S+ - mmengine - INFO - ")
_LEFT = re.compile(r", ([\d,]+) min left$")  # the time left in a line of `seesaw.core.pace`
# The log of a training's job: its scale, training and seed
_TRAINING = re.compile(r"(?:.*/)?logs/([^/]+)/train/([^/]+)/(seed\d+)\.log")


@dataclass
class Running:
    """A job that runs or waits in SLURM's queue."""

    id: int  # Snakemake's number of the job
    rule: str  # name of its rule
    name: str  # its message
    begun: float  # when it began, by `time.monotonic`; while it waits, when it was submitted
    log: Path | None  # its log; None for a target, which runs nothing
    waits: bool = False  # it is in SLURM's queue
    before: float = 0.0  # seconds for which it ran before SLURM requeued it
    _tail: list[str] = field(default_factory=list)
    _read: float = float("-inf")
    _left: float | None = None  # seconds left by its run log
    _asked: float = float("-inf")

    def look(self, now: float) -> None:
        """Take over the job's state in SLURM's queue, the end of its log, and its time left."""
        waits = queue.waiting(self.id)
        if waits != self.waits:
            self.before += 0.0 if self.waits else now - self.begun
            self.waits, self.begun = waits, now
        if self.log and not self.waits and now - self._read >= FRESH:
            self._read, self._tail = now, [line for line in lines(self.log) if line.strip()]
        pause = FRESH if self._left is None else EVERY  # a run log of weeks takes time to read
        if self.log and not self.waits and now - self._asked >= pause:
            self._asked, self._left = now, self._by_run_log(now)

    def _by_run_log(self, now: float) -> float | None:
        """Return the seconds left by a training's run log; None if it is of an earlier attempt."""
        named = _TRAINING.fullmatch(str(self.log))
        work = newest_work(paths.ROOT.joinpath("work", *named.groups())) if named else None
        progress = read_progress(work) if work else None
        if progress is None or time.time() - progress.written > now - self.begun + FRESH:
            return None  # FRESH, as file servers have clocks of their own
        return progress.seconds_left

    def took(self, now: float) -> float:
        """Return the seconds for which it has run, over all of its segments."""
        return self.before + now - self.begun

    def described(self, now: float) -> str:
        """Return name, duration and the last line of the log."""
        parts = [self.name, duration((now - self.begun) / 3600)]
        last = self._tail[-1:]
        return " · ".join([*parts, *(" ".join(_STAMP.sub("", line).split())[:90] for line in last)])

    def left(self) -> float | None:
        """Return the seconds left by the job's run log or log; None if neither says."""
        if self._left is not None:
            return self._left
        found = [m for m in map(_LEFT.search, self._tail) if m]
        return 60 * int(found[-1][1].replace(",", "")) if found else None
