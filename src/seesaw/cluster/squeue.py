"""The jobs of one call of Snakemake, as the queue shows them, with what the queue forgets.

A failed query changes nothing. A job that is lost for `LOST` seconds (in no queue any more, or
ended as preempted or with its node and not requeued) counts by its own note of its end: completed,
or as an error that Snakemake tries again. A job that waits for a reason that does not end by itself
is named once, with the command to type.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from seesaw.cluster import ledger, queue
from seesaw.cluster.queue import NO_END, Queued
from seesaw.provenance import write_atomic

LOST = float(os.environ.get("SEESAW_LOST_SECONDS", 60))
WAITING = float(os.environ.get("SEESAW_WAITING_SECONDS", 600))
GONE = "GONE"
# These end by themselves.
HARMLESS = ("None", "Priority", "Resources", "BeginTime", "Cleaning", "Dependency", "Prolog")


class Watch:
    """What is known of the jobs of a call of Snakemake; `seesaw status` reads it from a file.

    Args:
        run: the name of the call's jobs in the queue.
        say: shows a sentence to the user.
    """

    def __init__(self, run: str, say: Callable[[str], object]):
        self.file = ledger.FOLDER / f"{run}.json"
        self.say = say
        self.known: dict[str, dict] = {}

    def states(self, jobs: Iterable[str]) -> dict[str, str]:
        """The states of some jobs; a job whose end is not known yet is PENDING."""
        jobs = list(jobs)
        rows, error = queue.mine()
        if rows is None:
            self.say(f"squeue failed ({error}); it is asked again.")
        else:
            now = {row.job: row for row in rows}
            for job in jobs:
                self.known[job] = self._seen(job, now.get(job))
            self._tell(jobs)
            with suppress(OSError):  # The disk may be full; only `seesaw status` reads the file.
                write_atomic(self.file, json.dumps(self.known))
        found = {job: self.known.get(job, {}).get("state", GONE) for job in jobs}
        return {job: "PENDING" if s in (GONE, *NO_END) else s for job, s in found.items()}

    def _seen(self, job: str, row: Queued | None) -> dict:
        """A job's state, node, reason to wait and since when it is so."""
        before = self.known.get(job, {"state": "", "node": ""})
        now = {"state": row.state if row else GONE, "reason": row.reason if row else ""}
        now["node"] = (row and row.node) or before["node"]
        failed = now["node"] if now["state"] == "NODE_FAIL" else before.get("failed_node")
        now |= {"failed_node": failed} if failed else {}
        news = now["state"] == "PENDING" and now["reason"] != before.get("reason")
        if now["state"] != before["state"] or news:
            return now | {"since": time.time()}
        if now["state"] in (GONE, *NO_END) and time.time() - before["since"] >= LOST:
            return before | {"state": self._end(job, now["state"])}
        return before | now

    def _end(self, job: str, state: str) -> str:
        ends = ledger.ends(job)
        if ends and ends[-1].status == 0:
            return "COMPLETED"
        lost = "is in no queue" if state == GONE else f"is {state}, not requeued"
        noted = ends[-1].status if ends else "no end"
        self.say(f"job {job} {lost} and noted {noted}; it counts as failed and is tried again.")
        return "ERROR"

    def _tell(self, jobs: list[str]) -> None:
        """Say once which jobs wait for what does not end by itself, a sentence a reason."""
        reasons: dict[str, list[str]] = {}
        for job in jobs:
            entry = self.known[job]
            idle = entry["state"] in ("PENDING", "SUSPENDED", "REQUEUE_HOLD")
            if not idle or entry.get("told") or time.time() - entry["since"] < WAITING:
                continue
            reason = entry["reason"] if entry["state"] == "PENDING" else entry["state"]
            if reason not in HARMLESS:
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
