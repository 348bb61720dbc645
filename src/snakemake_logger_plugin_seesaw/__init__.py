"""What a run of the workflow shows: `logger: seesaw` in a profile.

The handler of snakemake-logger-plugin-rich, with the jobs by name, what each is at, and the time
left. It counts as running only what runs (snakemake-logger-plugin-rich 0.5.1 begins at one), shows
the end of a failed job's log instead of all of it, and no logs of jobs that the user has stopped.
"""

from __future__ import annotations

import os
import re
import threading
import time
from logging import ERROR, LogRecord
from pathlib import Path
from typing import NamedTuple

from rich.console import Group
from rich.panel import Panel
from rich.text import Text
from snakemake_logger_plugin_rich import LogHandler as RichHandler
from snakemake_logger_plugin_rich import events
from snakemake_logger_plugin_rich.event_handler import EventHandler

from seesaw.errors import UserError
from seesaw.workflow import rates
from seesaw.workflow.plan import duration
from seesaw.workflow.progress import lines
from seesaw.workflow.slurm import ledger

EVERY = 60.0  # seconds between two reports where no live display can be shown
TAIL = 20  # lines of a failed job's log
TOTAL = "Total Progress"  # the display's name for the sum over all rules
STOPPED = "Terminating processes on user request"
_STAMP = re.compile(r"^\S+ \S+ - mmengine - INFO - ")


class Running(NamedTuple):
    """A job that runs: its rule, its message, when it began, and its log."""

    rule: str
    name: str
    begun: float
    log: Path | None

    def described(self, now: float) -> str:
        """Return name, duration and the last line of the log."""
        last = [line for line in lines(self.log) if line.strip()][-1:] if self.log else []
        parts = [self.name, duration((now - self.begun) / 3600)]
        return " · ".join([*parts, *(" ".join(_STAMP.sub("", line).split())[:90] for line in last)])


class Events(EventHandler):
    """The events of a run, with names, times and true counts."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.running: dict[int, Running] = {}
        self.seconds: dict[str, list[float]] = {}
        self.stopping = False
        self.begun = time.monotonic()
        self.ended = threading.Event()

    def handle_run_info(self, event_data: events.RunInfo, **kwargs) -> None:
        """Show the counts; then report the running jobs where no display is redrawn."""
        super().handle_run_info(event_data, **kwargs)
        self._count()
        if not self.dryrun and not self.console.is_terminal:
            threading.Thread(target=self._report, daemon=True).start()

    def handle_job_info(self, event_data: events.JobInfo, **kwargs) -> None:
        """Name a job that begins."""
        super().handle_job_info(event_data, **kwargs)
        if self.dryrun:
            return
        log = Path(event_data.log[0]) if event_data.log else None
        name = event_data.rule_msg or event_data.rule_name
        job = Running(event_data.rule_name, name, time.monotonic(), log)
        self.running[event_data.jobid] = job
        if log:  # the others are targets, which run nothing
            self._say(f"{time.strftime('%H:%M')} begun: {name}")
        self._count()

    def handle_job_finished(self, event_data: events.JobFinished, **kwargs) -> None:
        """Name a job that has finished, and the time left."""
        super().handle_job_finished(event_data, **kwargs)
        if job := self.running.pop(event_data.job_id, None):
            took = time.monotonic() - job.begun
            self.seconds.setdefault(job.rule, []).append(took)
            if job.log:
                done = f"{job.name} in {duration(took / 3600)}"
                self._say(f"{time.strftime('%H:%M')} done: {done}; {self.standing()}")
        self._count()

    def handle_job_error(self, event_data: events.JobError, **kwargs) -> None:
        """Show the end of a failed job's log, unless the user has stopped it."""
        job = self.running.pop(event_data.jobid, None)
        self._count()
        if self.stopping or job is None:
            return
        self._say(f"{time.strftime('%H:%M')} failed: {job.name}", "bold red")
        if job.log:
            self._say("".join(f"  | {line[:160]}\n" for line in lines(job.log)[-TAIL:]), "dim")
            self._say(f"  the whole log: {job.log}")

    def handle_error(self, event_data: events.Error, **kwargs) -> None:
        """Show an error, unless it is only that of a job that the user has stopped."""
        if not self.stopping:
            super().handle_error(event_data, **kwargs)

    def handle_generic_record(self, record: LogRecord, **kwargs) -> None:
        """Show a message; note that the user has stopped the run."""
        self.stopping |= record.getMessage().startswith(STOPPED)
        if not (self.stopping and record.levelno >= ERROR):
            super().handle_generic_record(record, **kwargs)

    def close(self) -> None:
        """End the reports and the display."""
        self.ended.set()
        super().close()

    def standing(self) -> str:
        """Return how many jobs are done, and about how long the others take."""
        left = self.hours_left()
        more = f", {duration(left)} left" if left else ""
        return f"{self.completed} of {self.total_jobs} jobs{more}"

    def hours_left(self) -> float | None:
        """Return hours by the jobs that have finished, else by configs/costs.yaml; or None."""
        now, elapsed = time.monotonic(), time.monotonic() - self.begun
        work = 0.0
        for rule, counts in self.rule_counts.items():
            took, left = self.seconds.get(rule), counts["total"] - counts["completed"]
            one = sum(took) / len(took) if took else _stated(rule)
            if one is None and left:
                return None
            ages = [now - job.begun for job in self.running.values() if job.rule == rule]
            work += max(left - len(ages), 0) * (one or 0)
            work += sum(max((one or 0) - age, 0) for age in ages)
        busy = sum(map(sum, self.seconds.values()))
        busy += sum(now - job.begun for job in self.running.values())
        return work / max(busy / elapsed, 1) / 3600

    def __rich__(self) -> Group:
        """The running jobs, for the live display."""
        now = time.monotonic()
        jobs = [job.described(now) for job in self.running.values() if job.log]
        rows = [Text(row, no_wrap=True, overflow="ellipsis") for row in jobs]
        return Group(Text(self.standing(), style="bold"), *rows)

    def _count(self) -> None:
        for rule, task in self.progress_display.rule_tasks.items():
            jobs = [job for job in self.running.values() if rule in (job.rule, TOTAL)]
            if isinstance(self.progress.tasks[task].fields["active"], int):
                self.progress.update(task, active=len(jobs))

    def _report(self) -> None:
        while not self.ended.wait(EVERY):
            now = time.monotonic()
            for job in [job for job in self.running.values() if job.log]:
                self._say(f"{time.strftime('%H:%M')} running: {job.described(now)}")

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(text.rstrip("\n"), style=style), soft_wrap=True)


def _stated(rule: str) -> float | None:
    """Return the seconds of a rule's job by configs/costs.yaml; None if it depends on the job."""
    try:
        stated = rates.assumed().scales[os.environ.get(ledger.SCALE, "").partition("@")[0]].minutes
    except (UserError, KeyError):
        return None
    return 60 * stated.get(rule, 0.0) if rule in stated or rule not in ("train", "detect") else None


class LogHandler(RichHandler):
    """The handler that Snakemake creates."""

    event_handler: EventHandler

    def __post_init__(self) -> None:
        """Replace the event handler and the live display's content."""
        super().__post_init__()
        old = self.event_handler
        self.event_handler = Events(
            console=old.console,
            progress=old.progress,
            live_display=self.live_display,
            dryrun=old.dryrun,
            printshellcmds=old.printshellcmds,
            show_failed_logs=old.show_failed_logs,
            verbose=old.verbose,
        )
        content = Group(self.progress, self.event_handler)
        self.live_display.update(Panel(content, border_style="dim", padding=(0, 1)))
