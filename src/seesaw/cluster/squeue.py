"""Snakemake's query of its jobs, made safe: without this, three faults hang a workflow silently.

Its Slurm plugin forgets all jobs when squeue fails, and waits for ever for a job that no queue
lists (purged, lost with the controller) or that Slurm ended as preempted or with its node. So a
failed query answers with the last known states; a job that is lost for `LOST` seconds is reported
by its own note of its end: completed, or as an error that Snakemake tries again. Any other call
goes straight to Slurm's squeue.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from seesaw.cluster import ENDS
from seesaw.provenance import read_record, write_atomic

MEMORY = Path(".snakemake/slurm_jobs")
LOST = float(os.environ.get("SEESAW_LOST_SECONDS", 60))
GONE = "GONE"
# Final for Slurm, but the plugin waits for a requeue that does not come.
NO_END = (GONE, "PREEMPTED", "NODE_FAIL")
# The plugin has been told; that the queue then forgets the job means nothing.
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL")
FINAL += ("ERROR",)


def main(argv: list[str]) -> int:
    """Slurm's squeue, with what it forgets; the plugin's sacct query is answered by it too."""
    tool, *arguments = argv
    # While the controller is away the plugin turns to sacct, which may never answer.
    query = "--states=all" if tool == "squeue" else "--format=JobIdRaw,State"
    if query not in arguments or "--name" not in arguments:
        if (real := _slurms_own(tool)) is None:
            print(f"{tool} is not installed; run this where Slurm is.", file=sys.stderr)
            return 127
        os.execv(real, [real, *arguments])
    run = arguments[arguments.index("--name") + 1]
    memory = MEMORY / f"{run}.json"
    known = read_record(memory) or {}
    states, told = ask(run)
    if states is None:
        _say(f"squeue failed ({told}); asking again")
    else:
        now = time.time()
        for job in {**known, **states}:
            last, since = known.get(job, (None, now))
            state = states.get(job, GONE)
            if last in FINAL and state in NO_END:
                state = last
            elif state != last:
                since = now
            elif state in NO_END and now - since >= LOST:
                state = _end(job, state)
            known[job] = [state, since]
        write_atomic(memory, json.dumps(known))
    for job, (state, _) in known.items():
        print(f"{job}|{'PENDING' if state in NO_END else state}")
    return 0


def ask(run: str) -> tuple[dict[str, str] | None, str]:
    """The state of each job of a workflow's run, or None and why not."""
    if (real := _slurms_own("squeue")) is None:
        return None, "it is not installed"
    command = [real, "--format=%i|%T", "--states=all", "--noheader", "--name", run]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=45)
    except subprocess.TimeoutExpired:
        return None, "no answer in 45 s"
    if done.returncode:
        return None, " ".join(done.stderr.split())
    rows = (line.split("|") for line in done.stdout.splitlines() if "|" in line)
    return {job.strip(): state.strip() for job, state in rows}, ""


def _end(job: str, state: str) -> str:
    try:
        status = Path(ENDS, job).read_text().strip()
    except OSError:
        status = "no end"
    if status == "0":
        return "COMPLETED"
    where = "is in no queue" if state == GONE else f"is {state} and not requeued"
    _say(f"job {job} {where} and noted {status}; it counts as failed and is tried again")
    return "ERROR"


def _slurms_own(tool: str) -> str | None:
    mine = os.environ.get("SEESAW_BIN")
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(tool, path=os.pathsep.join(p for p in places if p != mine))


def _say(sentence: str) -> None:
    """To Snakemake's own terminal or log: it swallows what its queries say."""
    try:
        with open(f"/proc/{os.getppid()}/fd/2", "a", encoding="utf-8") as terminal:
            terminal.write(f"seesaw: {sentence}.\n")
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
