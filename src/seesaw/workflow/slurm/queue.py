"""Slurm's queue: this user's jobs, what became of those that it forgets, and what they wait for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from seesaw.core.files import write_atomic
from seesaw.workflow.slurm import ledger
from seesaw.workflow.slurm.ledger import Submission

# A job in these states neither waits nor runs. ERROR is ours, of a lost job: `Watch`.
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL")
FINAL += ("ERROR",)
# Neither does a job in these, unless Slurm requeues it; GONE is ours, of a job in no queue.
NO_END = ("PREEMPTED", "NODE_FAIL", "GONE")
# These reasons to wait end by themselves.
HARMLESS = ("None", "Priority", "Resources", "BeginTime", "Cleaning", "Dependency", "Prolog")
# Seconds: how long an absent controller is waited for, and between two questions; after how long a
# job counts as lost, and after how long its reason to wait is named.
PATIENCE, PAUSE = 3600, 10
LOST = float(os.environ.get("SEESAW_LOST_SECONDS", 60))
WAITING = float(os.environ.get("SEESAW_WAITING_SECONDS", 600))


class Queued(NamedTuple):
    """A job as the queue shows it; `name` is that of the call of Snakemake."""

    job: str
    state: str = "GONE"
    node: str = ""
    name: str = ""
    reason: str = ""
    comment: str = ""


def mine() -> tuple[dict[str, Queued] | None, str]:
    """The jobs of this user by id, those that ended lately too; None and why not."""
    command = ["squeue", "--format=%i|%T|%N|%j|%r|%k", "--states=all", "--noheader"]
    command += ["--user", str(os.getuid())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=45)
    except FileNotFoundError:
        return None, "squeue is not installed here; run this where Slurm is"
    except subprocess.TimeoutExpired:
        return None, "no answer in 45 s"
    if done.returncode:
        return None, " ".join(done.stderr.split())
    rows = (line.strip().split("|", 5) for line in done.stdout.splitlines())
    return {row[0]: Queued(*row) for row in rows if len(row) == 6}, ""


def await_controller() -> None:
    """Wait until Slurm's controller answers, for an hour at most; not where there is no squeue."""
    until = time.monotonic() + PATIENCE
    while shutil.which("squeue") and mine()[0] is None and time.monotonic() < until:
        time.sleep(PAUSE)


def twin(rows: dict[str, Queued], work: Submission) -> Submission | None:
    """The submission of a queued job that does this work already, if there is one."""
    comment = f"rule_{work.key.partition('/')[2]}"
    noted = {one.job: one for one in ledger.submitted()}
    for row in rows.values():
        if row.state in (*FINAL, *NO_END, "COMPLETING"):
            continue
        one = noted.get(row.job)
        if one is None and (row.name, row.comment) == (work.run, comment):
            ledger.note(one := work._replace(job=row.job))  # Slurm's answer to sbatch was lost.
        if one and (one.run, one.key) == (row.name, work.key):
            return one
    return None


class Watch:
    """The states of one call's jobs, which `seesaw status` reads from a file.

    A failed query changes nothing. A job that is lost for `LOST` seconds counts by the end that it
    noted: completed, or as an error that Snakemake tries again. A job that waits for a reason that
    does not end by itself is named once, with the command to type.

    Args:
        run: the name of the call's jobs in the queue.
        say: shows a sentence to the user.
    """

    def __init__(self, run: str, say: Callable[[str], object]):
        self.file = ledger.FOLDER / f"{run}.json"
        self.say = say
        self.known: dict[str, dict] = {}

    def states(self, jobs: list[str]) -> dict[str, str]:
        """The states of some jobs, as they are known now."""
        rows, error = mine()
        if rows is None:
            self.say(f"squeue failed ({error}); it is asked again.")
            return {job: self.known.get(job, {}).get("state", "GONE") for job in jobs}
        self.known |= {job: self._seen(rows.get(job) or Queued(job)) for job in jobs}
        self._name_the_waiting(jobs)
        with suppress(OSError):  # The disk may be full; only `seesaw status` reads the file.
            write_atomic(self.file, json.dumps(self.known))
        return {job: self.known[job]["state"] for job in jobs}

    def _seen(self, row: Queued) -> dict:
        """A job's state, node, reason to wait and since when it is so."""
        before = self.known.get(row.job, {"node": ""})
        now = before | {
            "state": row.state,
            "reason": row.reason,
            "node": row.node or before["node"],
        }
        if row.state == "NODE_FAIL":
            now["failed_node"] = now["node"]
        if any(now[key] != before.get(key) for key in ("state", "reason")):
            return now | {"since": time.time(), "told": False}
        if row.state in NO_END and time.time() - now["since"] >= LOST:
            now["state"] = self._end(row)
        return now

    def _end(self, row: Queued) -> str:
        noted = [end.status for end in ledger.ends(row.job)][-1:]
        if noted == [0]:
            return "COMPLETED"
        lost = "is in no queue" if row.state == "GONE" else f"is {row.state}, not requeued"
        end = noted[0] if noted else "no end"
        self.say(f"job {row.job} {lost} and noted {end}; it counts as failed and is tried again.")
        return "ERROR"

    def _name_the_waiting(self, jobs: list[str]) -> None:
        reasons: dict[str, list[str]] = {}
        for job in jobs:
            entry = self.known[job]
            reason = entry["reason"] if entry["state"] == "PENDING" else entry["state"]
            idle = entry["state"] in ("PENDING", "SUSPENDED", "REQUEUE_HOLD")
            long = time.time() - entry["since"] >= WAITING
            if idle and long and not entry["told"] and reason not in HARMLESS:
                reasons.setdefault(reason, []).append(job)
                entry["told"] = True
        for reason, some in reasons.items():
            self.say(f"{waits(reason, some)}.")


def waits(reason: str, jobs: list[str]) -> str:
    """A sentence on jobs that nothing starts, with the command to type."""
    ids = ",".join(jobs)
    some = f"job {ids} waits" if len(jobs) == 1 else f"jobs {ids} wait"
    low = reason.lower()
    if "held" in low or "hold" in low:
        fix = f"`scontrol release {ids}` lets them go on"
    elif reason == "SUSPENDED":
        fix = f"`scontrol resume {ids}` lets them go on"
    elif "node" in low or "partition" in low or "reserv" in low:
        fix = "`sinfo -R` tells what is wrong with the nodes"
    else:
        fix = f"`scontrol show job {jobs[0]}` tells more"
    again = "correct site.yaml and" if "invalid" in low or "limit" in low else "or"
    return f"{some} with the reason {reason}: {fix}; {again} `scancel {ids}` to submit anew"
