"""Snakemake's submission of a job, made safe: no twin, no lost attempt, no node that failed it.

A job that an earlier call of Snakemake submitted (killed since) and that still waits or runs is
taken over: its id is the answer. While Slurm's controller is away the submission waits for it.
Nodes on which earlier attempts failed are excluded. Any other call goes straight to Slurm's sbatch.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

from seesaw.cluster import ledger, queue
from seesaw.cluster.ledger import Submission
from seesaw.cluster.queue import FINAL, NO_END, PATIENCE, PAUSE, say

ASKED = ("-t", "--mem", "--cpus-per-task", "--gpus", "--gres", "--nodes")
AWAY = re.compile(
    r"contact slurm controller|socket timed out|connection refused|connect failure", re.I
)
CHANGED = (
    "job {job} of an earlier call still makes this, of code or configs that have changed since; "
    "`scancel {job}`, then run the same command again."
)
# Of the last failed attempts; and exit codes that are no node's fault: done, a user's mistake,
# cut off, killed for memory, told to stop.
NODES = 3
BLAMELESS = (0, 2, 75, 130, 137, 143)


def main(argv: list[str]) -> int:
    """Answer with a job's id."""
    tool, *arguments = argv
    given = options(arguments)
    comment, run = given.get("--comment", ""), given.get("--job-name", "")
    real = queue.own(tool)
    if real is None or ledger.RUN not in os.environ or not comment.startswith("rule_"):
        return queue.pass_on(tool, arguments)
    key = f"{os.environ[ledger.RUN]}/{comment.removeprefix('rule_')}"
    work = ledger.fingerprint(comment)
    exclude = bad_nodes(key)
    until = time.monotonic() + PATIENCE
    told = False
    while True:
        rows, error = queue.mine()
        if rows is not None:
            twin, known = _twin(rows, run, key, comment)
            if twin and known and work and known.fingerprint not in ("", work):
                print(CHANGED.format(job=twin.job), file=sys.stderr)
                return 1
            if twin and known and twin.name != run:
                say(f"job {twin.job} of an earlier call is {twin.state} and is taken over")
                ledger.adopt(run, twin.job)
            job, error = (twin.job, "") if twin else _submit([real, *arguments], exclude)
            if job:
                asked = {name: given[name] for name in ASKED if name in given}
                if not known:
                    ledger.note(Submission(job, run, key, work, asked))
                print(job)
                return 0
        if time.monotonic() > until or not AWAY.search(error):
            print(error, file=sys.stderr)
            return 1
        if not told:
            say(f"Slurm does not answer ({error}); submitting {key} as soon as it does")
        told = True
        time.sleep(PAUSE)


def options(arguments: list[str]) -> dict[str, str]:
    """The options of a command line, `--name=value`, `--name value` or `-n value`."""
    found = {}
    for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if name.startswith("--") and "=" in name:
            found[name.partition("=")[0]] = name.partition("=")[2]
        elif name.startswith("-"):
            found[name] = value
    return found


def bad_nodes(key: str) -> list[str]:
    """The nodes on which the last attempts at this work failed, of jobs on one node."""
    found: dict[str, None] = {}
    for one in reversed([s for s in ledger.submitted() if s.key == key][-2 * NODES :]):
        ends = ledger.ends(one.job)
        if ends and ends[-1].status not in BLAMELESS and one.asked.get("--nodes", "1") == "1":
            found[ends[-1].node] = None
        elif node := ledger.seen(one.job).get("failed_node"):
            found[node] = None
    return list(found)[:NODES]


def _twin(
    rows: list[queue.Queued], run: str, key: str, comment: str
) -> tuple[queue.Queued | None, Submission | None]:
    """The queued job that does this work already, and its submission, if that was noted."""
    known = {s.job: s for s in ledger.submitted()}
    for row in rows:
        if row.state in (*FINAL, *NO_END, "COMPLETING"):
            continue
        one = known.get(row.job)
        if one and (one.run, one.key) == (row.name, key):
            return row, one
        if (row.name, row.comment) == (run, comment):  # Slurm's answer was lost
            return row, None
    return None, None


def _submit(command: list[str], exclude: list[str]) -> tuple[str, str]:
    """The id of the new job, or "" and why there is none."""
    first = command if not exclude else [command[0], f"--exclude={','.join(exclude)}", *command[1:]]
    done = subprocess.run(first, capture_output=True, text=True)
    if done.returncode == 0 and exclude:
        say(f"the next attempt keeps off {', '.join(exclude)}, where the last one failed")
    elif done.returncode and exclude and not AWAY.search(done.stderr):
        done = subprocess.run(command, capture_output=True, text=True)  # there is no other node
    if done.returncode:
        return "", " ".join(done.stderr.split())
    return done.stdout.strip().split(";")[0], ""
