"""What a call of Snakemake shows: `logger: seesaw` in a profile.

The handler of snakemake-logger-plugin-rich, with the jobs by name, what each is at, and the time
left. It counts as running only what runs, shows the end of a failed job's log, no logs of jobs that
the user has stopped, in a dry run what would run, and why, with -p the commands, and less with
--quiet. As read in its version 0.5.1, the rich handler begins its count at one and counts jobs in
SLURM's queue, prints whole logs, names jobs and shows commands with --verbose only, and knows no
--quiet.
"""

from __future__ import annotations

import os
import threading
import time
from functools import cache
from logging import ERROR, LogRecord
from pathlib import Path

from rich.console import Group
from rich.panel import Panel
from rich.text import Text
from snakemake.settings.enums import Quietness
from snakemake_logger_plugin_rich import LogHandler as RichHandler
from snakemake_logger_plugin_rich import events
from snakemake_logger_plugin_rich.event_handler import EventHandler

from seesaw.errors import UserError
from seesaw.workflow import rates
from seesaw.workflow.plan import duration
from seesaw.workflow.progress import lines
from seesaw.workflow.slurm import controller, ledger, queue
from snakemake_logger_plugin_seesaw.running import EVERY, Running

TAIL = 20  # lines of a failed job's log
TOTAL = "Total Progress"  # the display's name for the sum over all rules


class Events(EventHandler):
    """The events of a call, with names, times and true counts."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.running: dict[int, Running] = {}
        self.seconds: dict[str, list[float]] = {}
        self.failed: dict[int, str] = {}  # the rule of each job that has not begun again since
        self.stopping = False
        self.quiet: set[Quietness] = set()
        self.begun = time.monotonic()
        self.ended = threading.Event()
        self.record: LogRecord | None = None

    def handle(self, record: LogRecord, **kwargs) -> None:
        """Keep the record, of which the events of snakemake-logger-plugin-rich hold a part."""
        self.record = record
        super().handle(record, **kwargs)

    def handle_run_info(self, event_data: events.RunInfo, **kwargs) -> None:
        """Show the counts; then report the running jobs where no display is redrawn."""
        super().handle_run_info(event_data, **kwargs)
        self._count()
        if Quietness.PROGRESS in self.quiet:  # Snakemake does not say then what has finished
            self.progress_display.live_display.stop()
        elif not self.dryrun and not self.console.is_terminal:
            threading.Thread(target=self._report, daemon=True).start()

    def handle_job_info(self, event_data: events.JobInfo, **kwargs) -> None:
        """Name a job that begins or is submitted; in a dry run, one that would."""
        super().handle_job_info(event_data, **kwargs)
        log = Path(event_data.log[0]) if event_data.log else None
        name = event_data.rule_msg or event_data.rule_name
        # The rich handler shows commands with --verbose only, and then does so itself.
        asked = self.printshellcmds and not self.verbose
        command = f"\n    {event_data.shellcmd.strip()}" if asked and event_data.shellcmd else ""
        if self.dryrun:
            if log and not self.verbose:
                self._say(f"{name}\n    {' '.join((event_data.reason or '').split())}{command}")
            return
        number = event_data.jobid
        job = Running(
            number, event_data.rule_name, name, time.monotonic(), log, queue.waiting(number)
        )
        self.running[number] = job
        self.failed.pop(number, None)
        if log and not self.quiet:  # without one are targets, which run nothing
            what = "submitted" if job.waits else "begun"
            self._say(f"{time.strftime('%H:%M')} {what}: {name}{command}")
        self._count()

    def handle_job_finished(self, event_data: events.JobFinished, **kwargs) -> None:
        """Name a job that has finished, and the time left."""
        super().handle_job_finished(event_data, **kwargs)
        if job := self.running.pop(event_data.job_id, None):
            took = job.took(time.monotonic())
            self.seconds.setdefault(job.rule, []).append(took)
            if job.log and not self.quiet:
                done = f"{job.name} in {duration(took / 3600)}"
                self._say(f"{time.strftime('%H:%M')} done: {done}; {self.standing()}")
        self._count()

    def handle_job_error(self, event_data: events.JobError, **kwargs) -> None:
        """Show the end of a failed job's log, unless the user has stopped it."""
        job = self.running.pop(event_data.jobid, None)
        if job:
            self.failed[job.id] = job.rule
        self._count()
        if self.stopping or job is None:
            return
        self._say(f"{time.strftime('%H:%M')} failed: {job.name}", "bold red")
        if message := getattr(self.record, "rule_msg", None):
            self._say(f"  {message}")
        # A job that SLURM ended may have written nothing; then SLURM's own log says why.
        logs = [Path(name) for name in getattr(self.record, "log", None) or []]
        logs = logs or ([job.log] if job.log else [])
        if log := next(filter(lines, logs), None):
            self._say("".join(f"  | {line[:400]}\n" for line in lines(log)[-TAIL:]), "dim")
            self._say(f"  the whole log: {log}")

    def handle_error(self, event_data: events.Error, **kwargs) -> None:
        """Show an error, unless it is only that of a job that the user has stopped."""
        if not self.stopping:
            super().handle_error(event_data, **kwargs)

    def handle_generic_record(self, record: LogRecord, **kwargs) -> None:
        """Show a message; note that the user has stopped Snakemake."""
        self.stopping |= record.getMessage().startswith(controller.STOPPED)
        if not (self.stopping and record.levelno >= ERROR):
            super().handle_generic_record(record, **kwargs)

    def close(self) -> None:
        """End the reports and the display."""
        self.ended.set()
        super().close()

    def standing(self) -> str:
        """Return how many jobs are done, and about how long the others take."""
        jobs = list(self.running.values())  # jobs begin and end in another thread
        waiting = sum(job.waits for job in jobs)
        parts = [f"{self.completed} of {self.total_jobs} jobs"]
        parts += [f"{waiting} in SLURM's queue"] if waiting else []
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        running = any(job.log and not job.waits for job in jobs)
        left, whole = self.hours_left()
        if left and (whole or running):
            parts.append(f"{'' if whole else 'over '}{duration(left)} left")
        return ", ".join(parts)

    def hours_left(self) -> tuple[float, bool]:
        """Return hours by the jobs that run or have finished, else by configs/costs.yaml.

        As many jobs as run now, or ran on average, are taken to go on running at once; a failed one
        is left out until it begins again. The second value is false while a rule's time is unknown:
        such jobs are left out, and if they run, the answer is 0.
        """
        now, elapsed = time.monotonic(), time.monotonic() - self.begun
        running = self._running(now)
        work, longest, whole = 0.0, 0.0, True
        for rule, counts in self.rule_counts.items():
            under = [(job.took(now), job.left()) for job in running if job.rule == rule]
            took = self.seconds.get(rule, []) + [age + x for age, x in under if x is not None]
            one = sum(took) / len(took) if took else _stated(rule)
            left = counts["total"] - counts["completed"] - [*self.failed.values()].count(rule)
            if one is None and under:
                return 0.0, False
            whole &= one is not None or not left
            rests = [max((one or 0) - age, 0) if x is None else x for age, x in under]
            work += max(left - len(under), 0) * (one or 0) + sum(rests)
            longest = max([longest, *rests])
        busy = sum(map(sum, self.seconds.values())) + sum(job.took(now) for job in running)
        return max(work / max(busy / elapsed, len(running), 1), longest) / 3600, whole

    def __rich__(self) -> Group:
        """The running jobs, for the live display."""
        now = time.monotonic()
        jobs = [job.described(now) for job in self._running(now)]
        self._count()
        rows = [Text(row, no_wrap=True, overflow="ellipsis") for row in jobs]
        return Group(Text(self.standing(), style="bold"), *rows)

    def _running(self, now: float) -> list[Running]:
        """Return the jobs that run now; targets and jobs in SLURM's queue do not."""
        jobs = [job for job in list(self.running.values()) if job.log]
        for job in jobs:
            job.look(now)
        return [job for job in jobs if not job.waits]

    def _count(self) -> None:
        for rule, task in self.progress_display.rule_tasks.items():
            every = [job for job in list(self.running.values()) if not job.waits]
            jobs = [job for job in every if rule in (job.rule, TOTAL)]
            if isinstance(self.progress.tasks[task].fields["active"], int):
                self.progress.update(task, active=len(jobs))

    def _report(self) -> None:
        jobs: list[Running] = []
        while not self.ended.wait(EVERY * (1 + len(jobs))):
            now = time.monotonic()
            jobs = self._running(now)
            self._say(f"{time.strftime('%H:%M')} {self.standing()}")
            for job in jobs:
                self._say(f"  running: {job.described(now)}")

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(text.rstrip("\n"), style=style), soft_wrap=True)


@cache  # asked eight times a second
def _minutes(scale: str) -> dict[str, float] | None:
    try:
        return rates.assumed().scales[scale].minutes
    except (UserError, KeyError):
        return None


def _stated(rule: str) -> float | None:
    """Return the seconds of a rule's job by configs/costs.yaml; None if it depends on the job."""
    stated = _minutes(os.environ.get(ledger.SCALE, "").partition("@")[0])
    if stated is None:
        return None
    return 60 * stated.get(rule, 0.0) if rule in stated or rule not in ("train", "detect") else None


class LogHandler(RichHandler):
    """The handler that Snakemake creates."""

    event_handler: EventHandler

    def __post_init__(self) -> None:
        """Replace the event handler and the display's content; 0.5.1 has no option for it."""
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
        quiet = set(self.common_settings.quiet or ())
        self.event_handler.quiet = quiet & {Quietness.RULES, Quietness.PROGRESS}
        old.console.quiet = Quietness.ALL in quiet and not old.dryrun
        content = Group(self.progress, self.event_handler)
        self.live_display.update(Panel(content, border_style="dim", padding=(0, 1)))
