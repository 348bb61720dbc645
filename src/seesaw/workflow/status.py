"""The state of every experiment, from files alone, so that any node with access can show it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text
from typing_extensions import TypedDict

from seesaw.core.borders import listing
from seesaw.core.json import json_or_none
from seesaw.core.records import failure_of, provenance_path, read_record, record_of
from seesaw.core.versions import library_versions
from seesaw.errors import Interrupted
from seesaw.spec.experiments import Experiments
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.workflow import dependencies
from seesaw.workflow.jobs import Job, in_order, snakemake_record
from seesaw.workflow.plan import duration
from seesaw.workflow.progress import Progress, lines, mtime, newest_work, read_progress
from seesaw.workflow.slurm import ledger, queue

State = Literal["done", "running", "queued", "stopped", "failed", "no sign", "outdated", "–"]
STAGES = ("train", "convert", "detect", "evaluate", "submit")
# Seconds without output that are normal: loading LVIS, a long evaluation, a slow model's image.
QUIET = 900.0
# A training logs every 20 iterations; it counts as dead after so many overdue lines and a minute.
OVERDUE, AT_LEAST = 5, 60.0
_STYLES = {"done": "green", "running": "cyan", "failed": "bold red"}
_STYLES |= {"no sign": "yellow", "stopped": "yellow"}
TAIL = 3
PACE = re.compile(r"[\d,]+ of [\d,]+ .*, [\d,]+ min left")  # a line of `seesaw.core.pace`
NEEDS_YOU = ("failed", "no sign", "stopped")
# An upgrade of these changes results but makes nothing again, as no fingerprint contains it.
DECISIVE = ("torch", "onedl-mmcv", "onedl-mmengine", "onedl-mmdetection", "numpy")


class _Stop(TypedDict):
    """What an interrupted job records; see `Interrupted`."""

    reason: str
    done: int
    total: int


@dataclass(frozen=True)
class Standing:
    """The state of one job."""

    job: Job
    # "no sign" has begun but is silent for too long; "stopped" saved its state and ended;
    # "outdated" was made with older code, configs or inputs; "–" has not begun
    state: State
    note: str = ""  # one line: progress, the error, or how long the job has been silent
    # fraction of the iterations that a training has completed; else None
    share: float | None = None
    log: Path | None = None  # its newest log
    slurm: str | None = None  # id of its SLURM job, where Snakemake recorded one


def standing(
    job: Job, done: set[str], scale: Scale, fingerprints: Mapping[str, str] | None, now: float
) -> Standing:
    """Return the state of one job.

    Without fingerprints, the newest work directory is used. ``now`` is in s since 1970.
    """
    if job.id in done:
        return Standing(job, "done")
    log, work = newest_log(job, scale), _work(job, scale, fingerprints)
    marker = snakemake_record("incomplete", job.outputs[0])
    slurm = _slurm_job(job, scale, marker, work)
    stands = partial(Standing, job, log=log, slurm=slurm)
    if failure := failure_of(job.outputs[0]):
        error = str(failure.get("error") or "no message").strip().split("\n")[0]
        return stands("failed", error)
    progress = read_progress(work) if work else None
    last = _last_sign(job, log, progress)
    age = now - last
    present = all(path.is_file() for path in job.outputs)
    # The record outlives outputs that were removed, to make them again or to save space.
    made = max(map(mtime, job.outputs if present else [provenance_path(job.outputs[0])]))
    if made and not marker.exists() and last <= made + AT_LEAST:  # no new attempt since
        return stands("outdated" if present else "–")
    if stop := _interruption(work, last):
        unit = "iteration" if job.rule == "train" else "image"
        note = f"stopped by {stop['reason']}, saved at {unit} {stop['done']:,}"
        share = stop["done"] / max(stop["total"], 1)
        state = ledger.seen(slurm).get("state") if slurm else None
        if marker.exists() or state in queue.IN_QUEUE:
            return stands("queued", note + _waits(slurm), share)
        return stands("stopped", note, share)
    if log and mtime(log) >= mtime(marker) and (error := _last_error(log, job.rule)):
        return stands("failed", error)
    if last and age <= patience(progress):
        note = _described(progress, age)
        if progress is None and log and (pace := [x for x in lines(log) if PACE.fullmatch(x)]):
            note = f"{pace[-1]}, {note}"
        return stands("running", note, _share(progress))
    if mtime(marker) > last:
        since = duration(max(now - mtime(marker), 0) / 3600)  # a file server has its own clock
        return stands("queued", f"for {since}{_waits(slurm)}")
    if not last:
        return stands("–")
    reached = f"; stood at {_described(progress)}" if progress and progress.iteration else ""
    return stands("no sign", f"no sign for {duration(age / 3600)}{reached}", _share(progress))


def _slurm_job(job: Job, scale: Scale, marker: Path, work: Path | None) -> str | None:
    """Return the id of the SLURM job that runs or last ran this one; None if none is known."""
    # Snakemake records the id of the job that it submitted; once it runs, the lease has the id.
    found = (read_record(marker) or {}).get("external_jobid")
    found = found or (work and (read_record(work / "lease") or {}).get("job"))
    # A job that has requeued itself has neither.
    found = found or ledger.last(scale.full_name, job.id)
    return str(found) if found else None


def _last_sign(job: Job, log: Path | None, progress: Progress | None) -> float:
    """Return when a job last wrote anything, in s since 1970; 0 if it has not."""
    signs = [mtime(log)] if log else []
    signs += [progress.written] if progress else []
    if job.rule == "detect":  # the parts that it has written so far
        signs += map(mtime, job.outputs[0].parent.glob(f".{job.outputs[0].name}.*.part"))
    return max(signs, default=0.0)


def patience(progress: Progress | None) -> float:
    """Return the seconds of silence after which a job counts as dead."""
    if progress is None or progress.starting or progress.pace is None:
        return QUIET
    return max(AT_LEAST, OVERDUE * progress.interval * progress.pace)


def _last_error(log: Path, verb: str) -> str | None:
    """Return the error with which a verb has ended, by the last line of its log; None if none."""
    written = [line.strip() for line in lines(log) if line.strip()]
    if written and written[-1].startswith(own := f"seesaw {verb}: "):
        return written[-1].removeprefix(own)
    if "Traceback (most recent call last):" in written and re.match(r"[\w.]+(: |$)", written[-1]):
        return written[-1]
    return None


def newest_log(job: Job, scale: Scale) -> Path | None:
    """Return the log of the job's last attempt under logs/."""
    path = scale.logs / job.id
    return max(path.parent.glob(f"{path.name}.*"), key=mtime, default=None)


def print_status(
    found: list[Standing],
    table: Experiments,
    scale: Scale,
    console: Console,
    again: str,
    known: bool = True,
) -> None:
    """Print all states: a row per experiment and seed, the running jobs, those that need the user.

    ``again`` is the command that makes the target. Unless fingerprints were ``known``, *done* only
    means that outputs exist.
    """
    cells = {(s.job.experiment, s.job.seed, s.job.rule): s for s in found if s.job.experiment}
    weights = "convert" if any(s.job.rule == "convert" for s in found) else "train"
    body = listing("experiment", weights, "detect", "evaluate or package")
    seeds_of: defaultdict[str, set[int]] = defaultdict(set)
    for experiment, seed, _ in cells:
        seeds_of[experiment].add(seed)
    for name in in_order(table):
        seeds = sorted(seeds_of[name])
        for seed in seeds:
            row = [cells.get((name, seed, stage)) for stage in STAGES]
            if any(row):
                label = f"{name} seed {seed}" if len(seeds) > 1 else name
                body.add_row(label, *map(_cell, (row[0] or row[1], row[2], row[3] or row[4])))
    console.print(body)
    for rule in dict.fromkeys(s.job.rule for s in found):
        counts = Counter(s.state for s in found if s.job.rule == rule)
        text = ", ".join(f"{n} {state if state != '–' else 'to do'}" for state, n in counts.items())
        console.print(Text(f"{rule}: {text}"))
    for s in found:
        if s.state in ("running", "queued"):
            where = f" (SLURM job {s.slurm})" if s.slurm else ""
            console.print(Text(f"{s.state} {s.job.id}{where}: {s.note}", style="cyan"))
    for s in found:
        if s.state in NEEDS_YOU:
            _explain(s, scale, console)
    for library, count in upgraded(found).items():
        console.print(
            Text(f"{count} of the trainings that are done used {library}; they stay done.")
        )
    states = {s.state for s in found} - {"done"}
    if not known and dependencies.cache(scale).is_file():
        note = "Code or configs have changed since the workflow's last call: done means present."
        console.print(Text(f"{note}\nWhat is made again: {again} -n"), soft_wrap=True)
    elif states and states <= {"outdated", "–"}:
        console.print(Text(f"next: {again}\nWhat it makes: {again} -n"), soft_wrap=True)


def upgraded(found: list[Standing]) -> Counter[str]:
    """Count the finished trainings that used another version of a library than is here."""
    here, counts = library_versions(), Counter[str]()
    for s in found:
        if s.state == "done" and s.job.rule == "train":
            used = (record_of(s.job.outputs[0]) or {}).get("versions") or {}
            for name in DECISIVE:
                if (version := used.get(name)) and version != here[name]:
                    counts[f"{name} {version} (here: {here[name]})"] += 1
    return counts


def _explain(s: Standing, scale: Scale, console: Console) -> None:
    console.print(Text(f"{s.state} {s.job.id}: {s.note}", style=_STYLES[s.state]))
    if s.log:
        for line in [line for line in lines(s.log) if line.strip()][-TAIL:]:
            console.print(Text(f"  | {line.strip()[:160]}", style="dim"), soft_wrap=True)
        console.print(Text(f"  log: {s.log}"), soft_wrap=True)
    again = snakemake_command(scale, str(s.job.outputs[0]), slurm=s.slurm is not None)
    if s.state == "no sign" and s.slurm:
        again = f"squeue -j {s.slurm}; if it is not there: {again}"
    console.print(Text(f"  next: {again}"), soft_wrap=True)


def _cell(s: Standing | None) -> Text:
    if s is None:
        return Text("")
    share = f" {100 * s.share:.0f} %" if s.share is not None else ""
    return Text(s.state + share, style=_STYLES.get(s.state, "dim"))


def _share(progress: Progress | None) -> float | None:
    return progress.iteration / progress.total if progress and progress.total else None


def _described(progress: Progress | None, age: float | None = None) -> str:
    """Return iteration, loss, pace, remaining time and the age of this information."""
    ago = [] if age is None else [f"last sign {max(age, 0):.0f} s ago"]
    if progress is None or not progress.iteration:
        return ", ".join(["starting" if progress else "at work", *ago])
    total = f" of {progress.total:,}" if progress.total else ""
    parts = [f"iteration {progress.iteration:,}{total}"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4g}")
    if progress.pace is not None:
        parts.append(f"{progress.pace:.2f} s an iteration")
    if age is not None and progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left / 3600)} left")
    return ", ".join(parts + ago)


def _work(job: Job, scale: Scale, fingerprints: Mapping[str, str] | None) -> Path | None:
    """Return a job's work directory; a training's newest if its fingerprint is unknown."""
    if job.rule == "detect":
        return scale.detecting(job.experiment, job.seed)
    if job.rule != "train":
        return None
    folder = scale.working(job.training, job.seed)
    if fingerprints is not None and job.key in fingerprints:
        return folder / fingerprints[job.key]
    return newest_work(folder)


def _waits(slurm: str | None) -> str:
    """Return a job's last known state in SLURM; the command that helps if nothing will start it."""
    seen = ledger.seen(slurm) if slurm else {}
    if slurm and seen.get("reported"):
        return f"; {queue.waits(queue.reason_of(seen), [slurm])}"
    reason = f" ({seen['reason']})" if seen.get("reason", "None") != "None" else ""
    return f"; the queue said {seen['state']}{reason}" if seen else ""


def _interruption(work: Path | None, sign: float) -> _Stop | None:
    """Return what an interrupted job recorded; None if it has started again since."""
    saved = work / Interrupted.RECORD if work else None
    return json_or_none(saved, _Stop) if saved and sign <= mtime(saved) + AT_LEAST else None
