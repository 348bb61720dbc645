"""SLURM's queue: this user's jobs, the ends of jobs it has forgotten, and reasons for waiting."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from seesaw.core import paths
from seesaw.core.files import write_atomic
from seesaw.workflow.slurm import ledger
from seesaw.workflow.slurm.ledger import Submission

# States in which nothing but a person or another job lets a job go on.
HELD = ("REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "SUSPENDED")
IN_QUEUE = ("PENDING", "REQUEUED", "CONFIGURING", *HELD)
# A job in these states neither waits nor runs. ERROR is set by `Watch` for a lost job.
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL")
FINAL += ("ERROR",)
# Neither does a job in these states, unless SLURM requeues it. GONE means in no queue.
NO_END = ("PREEMPTED", "NODE_FAIL", "GONE")
# Reasons for waiting that end by themselves.
HARMLESS = ("None", "Priority", "Resources", "BeginTime", "Cleaning", "Dependency", "Prolog")
# How the reasons begin that name a limit of a user, account or QOS. Those on the number of jobs
# that run at once, such as QOSMaxJobsPerUserLimit, end by themselves.
LIMITS = ("assocgrp", "assocmax", "qosgrp", "qosmax")
# What SLURM's commands say while its controller, or this machine, is away or overloaded.
AWAY = re.compile(
    "contact slurm controller|socket timed out|connection (refused|reset|timed out)|connect failure"
    "|no route to host|zero bytes were transmitted|standby mode|no answer"
    "|temporarily unavailable|cannot allocate memory",
    re.I,
)
# In seconds: how long to wait for a controller that does not answer, and between two queries; after
# how long a job counts as lost, and after how long its reason for waiting is reported.
PATIENCE, PAUSE = 3600, 10
LOST = float(os.environ.get("SEESAW_LOST_SECONDS", 60))
WAITING = float(os.environ.get("SEESAW_WAITING_SECONDS", 600))

# What squeue prints of a job: the fields of `Queued`.
FORMAT = "%i|%T|%N|%j|%r|%k"

# Snakemake's number of a job -> its last known state, of the jobs that this process submits.
STATES: dict[int, str] = {}


class Queued(NamedTuple):
    """A job as the queue shows it; `name` is that of the call of Snakemake."""

    job: str
    state: str = "GONE"
    node: str = ""
    name: str = ""
    reason: str = ""
    comment: str = ""


def ask(*command: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Call one of SLURM's commands once; ``timeout`` is in seconds."""
    # A user's own filter, such as SQUEUE_PARTITION, would hide jobs, and a time format the day.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SQUEUE_")}
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=kept | {"SLURM_TIME_FORMAT": "standard"},
        timeout=timeout,
    )


def ask_patiently(*command: str) -> subprocess.CompletedProcess[str]:
    """Call one of SLURM's commands, for at most an hour again while the controller is away."""
    until = time.monotonic() + PATIENCE
    while (done := ask(*command)).returncode and AWAY.search(done.stderr):
        if time.monotonic() >= until:
            break
        time.sleep(PAUSE)
    return done


def answered(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of an answer, beside which a site's wrapper may print its own."""
    return [line.strip() for line in done.stdout.splitlines()]


def mine() -> tuple[dict[str, Queued] | None, str]:
    """Return this user's jobs by id, with recently ended ones; or None, and the error message."""
    command = ["squeue", f"--format={FORMAT}", "--states=all", "--noheader"]
    command += ["--user", str(os.getuid()), "--all"]  # also of partitions that the site hides
    try:
        done = ask(*command, timeout=45)
    except subprocess.TimeoutExpired:
        return None, "no answer in 45 s"
    except OSError as error:  # not installed, or the login node's limit of processes is reached
        return None, f"squeue cannot be started: {error.strerror}"
    if done.returncode:
        return None, " ".join(done.stderr.split())
    lines = answered(done)
    rows = {row[0]: Queued(*row) for row in (x.split("|", 5) for x in lines) if len(row) == 6}
    # Else all jobs would count as lost, and be submitted a second time while they run.
    if not rows and (odd := next(filter(re.compile(r"\d+[^|\s]*\|").match, lines), None)):
        return None, f"its answer {odd!r} does not have the six columns of {FORMAT}"
    return rows, ""


def await_controller() -> None:
    """Wait at most an hour while SLURM's controller is away, but not for a squeue that fails."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        rows, error = mine()
        if rows is not None or not AWAY.search(error):
            return
        time.sleep(PAUSE)


def twin(rows: dict[str, Queued], work: Submission) -> Submission | None:
    """Return the submission of a queued job that does the same work, if there is one.

    The jobs of a folder that was copied with its notes go on working there.
    """
    comment = f"rule_{work.key.partition('/')[2]}"
    noted = {one.job: one for one in ledger.submitted()}
    for row in rows.values():
        if row.state in (*FINAL, *NO_END, "COMPLETING"):
            continue
        one = noted.get(row.job)
        if one is None and (row.name, row.comment) == (work.run, comment):
            ledger.note(one := work._replace(job=row.job))  # SLURM's answer to sbatch was lost
        same = one and (one.run, one.key) == (row.name, work.key)
        if one and same and not ledger.copied(one.folder, paths.ROOT):
            return one
    return None


def waiting(number: int) -> bool:
    """Whether a job of this process's workflow, by Snakemake's number, is in SLURM's queue."""
    return STATES.get(number) in IN_QUEUE


class Watch:
    """The states of one call's jobs, which `seesaw status` reads from a file.

    A failed query changes nothing. After `LOST` seconds, a lost job gets the state of its recorded
    end: completed, or an error after which Snakemake retries. A job that waits for a reason that
    does not end by itself is reported once, with the command that helps. ``run`` is the name of the
    call's jobs in the queue; ``say`` shows a sentence to the user.
    """

    def __init__(self, run: str, say: Callable[[str], object]):
        self.file = ledger.FOLDER / f"{run}.json"
        self.say = say
        self.known: dict[str, dict] = {}

    def states(self, jobs: list[str]) -> dict[str, str]:
        """Return the current states of some jobs."""
        rows, error = mine()
        if rows is None:
            self.say(f"squeue failed ({error}); it is asked again.")
            return {job: self.known.get(job, {}).get("state", "GONE") for job in jobs}
        self.known |= {job: self._seen(rows.get(job) or Queued(job)) for job in jobs}
        self._name_the_waiting(jobs)
        with suppress(OSError):  # if the disk is full, only `seesaw status` lacks the file
            write_atomic(self.file, json.dumps(self.known))
        return {job: self.known[job]["state"] for job in jobs}

    def _seen(self, row: Queued) -> dict:
        """Return a job's state, node, reason for waiting, and since when it has been so."""
        before = self.known.get(row.job, {"node": ""})
        now = before | {
            "state": row.state,
            "reason": row.reason,
            "node": row.node or before["node"],
        }
        if row.state == "NODE_FAIL":
            now["failed_node"] = now["node"]
        if any(now[key] != before.get(key) for key in ("state", "reason")):
            return now | {"since": time.time(), "reported": False}
        if row.state in NO_END and time.time() - now["since"] >= LOST:
            now["state"] = self._end(row)
        return now

    def _end(self, row: Queued) -> str:
        noted = [end.status for end in ledger.ends(row.job)][-1:]
        if noted == [0]:
            return "COMPLETED"
        lost = "is in no queue" if row.state == "GONE" else f"is {row.state}, not requeued"
        end = noted[0] if noted else "no end"
        self.say(
            f"SLURM job {row.job} {lost} and noted {end}; it counts as failed and is tried again."
        )
        return "ERROR"

    def _name_the_waiting(self, jobs: list[str]) -> None:
        reasons: dict[str, list[str]] = {}
        for job in jobs:
            entry = self.known[job]
            reason = reason_of(entry)
            idle = entry["state"] in ("PENDING", *HELD)
            long = time.time() - entry["since"] >= WAITING
            harmless = reason in HARMLESS or "Jobs" in reason
            if idle and long and not entry["reported"] and not harmless:
                reasons.setdefault(reason, []).append(job)
                entry["reported"] = True
        for reason, some in reasons.items():
            self.say(f"{waits(reason, some)}.")


def reason_of(entry: Mapping[str, Any]) -> str:
    """Return why a job does not run, from what was last seen of it."""
    return entry.get("reason", "unknown") if entry["state"] == "PENDING" else entry["state"]


def waits(reason: str, jobs: list[str]) -> str:
    """Return a sentence about jobs that nothing will start, with the command that helps."""
    ids = ",".join(jobs)
    some = f"SLURM job {ids} waits" if len(jobs) == 1 else f"SLURM jobs {ids} wait"
    low, again = reason.lower(), f"or `scancel {ids}` to submit anew"
    # Snakemake has read site.yaml at its start, and takes over a job that still waits.
    anew = f"stop Snakemake, `scancel {ids}`, correct site.yaml and start Snakemake again"
    if reason == "SUSPENDED":
        fix = f"they go on by themselves, or when an operator types `scontrol resume {ids}`"
    elif reason == "JobHeldAdmin":
        fix = f"only an operator's `scontrol release {ids}` lets them go on"
    elif "held" in low or "hold" in low or reason == "SPECIAL_EXIT":
        fix = f"`scontrol release {ids}` lets them go on"
    elif "limit" in low or low.startswith(LIMITS):
        fix = "they go on after your other jobs, unless one alone asks for more than is allowed"
        again = f"then {anew}"
    elif "node" in low or "partition" in low or "reserv" in low:
        fix = "`sinfo -R` tells what is wrong with the nodes"
    else:
        fix = f"`scontrol show job {jobs[0]}` tells more"
        again = anew if "invalid" in low else again
    return f"{some} with the reason {reason}: {fix}; {again}"
