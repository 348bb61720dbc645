"""Snakemake's query of its jobs, made safe: without this, four faults hang a workflow silently.

Its Slurm plugin forgets all jobs when squeue fails, and waits for ever for a job that no queue
lists (purged, lost with the controller), that Slurm ended as preempted or with its node, or that
nothing will ever start (held, a drained node). So a failed query answers with the last known
states; a job that is lost for `LOST` seconds is reported by its own note of its end: completed, or
as an error that Snakemake tries again; one that waits for a reason that does not end by itself is
told, with the command to type. Any other call goes straight to Slurm's squeue.
"""

from __future__ import annotations

import json
import os
import time

from seesaw.cluster import ledger, queue
from seesaw.cluster.queue import NO_END, Queued, say
from seesaw.provenance import read_record, write_atomic

LOST = float(os.environ.get("SEESAW_LOST_SECONDS", 60))
WAITING = float(os.environ.get("SEESAW_WAITING_SECONDS", 600))
GONE = "GONE"
# These end by themselves.
HARMLESS = ("None", "Priority", "Resources", "BeginTime", "Cleaning", "Dependency", "Prolog")
FINAL: tuple[str, ...] = (*queue.FINAL, "ERROR")


def main(argv: list[str]) -> int:
    """Slurm's squeue, with what it forgets; the plugin's sacct query is answered by it too."""
    tool, *arguments = argv
    # While the controller is away the plugin turns to sacct, which may never answer.
    query = "--states=all" if tool == "squeue" else "--format=JobIdRaw,State"
    if query not in arguments or "--name" not in arguments:
        return queue.pass_on(tool, arguments)
    run = arguments[arguments.index("--name") + 1]
    memory = ledger.FOLDER / f"{run}.json"
    known = read_record(memory) or {}
    rows, told = queue.mine()
    if rows is None:
        say(f"squeue failed ({told}); asking again")
    else:
        # Also those that the queue forgot before it was first asked.
        ours = ledger.adopted(run) | {one.job for one in ledger.submitted() if one.run == run}
        now = {row.job: row for row in rows if row.name == run or row.job in ours}
        known = {
            job: _seen(job, known.get(job), now.get(job))
            for job in sorted(known.keys() | now.keys() | ours)
        }
        _tell(known)
        write_atomic(memory, json.dumps(known))
    for job, entry in known.items():
        print(f"{job}|{'PENDING' if entry['state'] in (GONE, *NO_END) else entry['state']}")
    return 0


def _seen(job: str, before: dict | None, row: Queued | None) -> dict:
    """A job's state, node, reason to wait and since when it is so."""
    before = before or {"state": "", "node": ""}
    now = {"state": row.state if row else GONE, "reason": row.reason if row else ""}
    now["node"] = (row and row.node) or before["node"]
    failed = now["node"] if now["state"] == "NODE_FAIL" else before.get("failed_node")
    now |= {"failed_node": failed} if failed else {}
    lost = (GONE, *NO_END)
    # The plugin has been told; that the queue then forgets the job means nothing.
    if before["state"] in FINAL and now["state"] in lost:
        return before
    if now["state"] != before["state"] or (now["state"] == "PENDING" and _news(before, now)):
        return now | {"since": time.time()}
    if now["state"] in lost and time.time() - before["since"] >= LOST:
        return before | {"state": _end(job, now)}
    return before | now


def _news(before: dict, now: dict) -> bool:
    return before.get("reason") != now["reason"]


def _end(job: str, entry: dict) -> str:
    ends = ledger.ends(job)
    if ends and ends[-1].status == 0:
        return "COMPLETED"
    lost = "is in no queue" if entry["state"] == GONE else f"is {entry['state']}, not requeued"
    noted = ends[-1].status if ends else "no end"
    say(f"job {job} {lost} and noted {noted}; it counts as failed and is tried again")
    return "ERROR"


def _tell(known: dict[str, dict]) -> None:
    """Say once which jobs wait for what does not end by itself, a sentence a reason."""
    reasons: dict[str, list[str]] = {}
    for job, entry in known.items():
        idle = entry["state"] in ("PENDING", "SUSPENDED", "REQUEUE_HOLD")
        if not idle or entry.get("told") or time.time() - entry["since"] < WAITING:
            continue
        reason = entry["reason"] if entry["state"] == "PENDING" else entry["state"]
        if reason not in HARMLESS:
            reasons.setdefault(reason, []).append(job)
            entry["told"] = True
    for reason, jobs in reasons.items():
        say(waits(reason, jobs))


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
