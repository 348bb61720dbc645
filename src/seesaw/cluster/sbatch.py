"""What is known before a submission: the job that does the work already, the nodes to keep off."""

from __future__ import annotations

import re

from seesaw.cluster import ledger, queue
from seesaw.cluster.ledger import Submission
from seesaw.cluster.queue import FINAL, NO_END

# What Slurm's commands say while its controller is away or overloaded.
AWAY = re.compile(
    r"contact slurm controller|socket timed out|connection refused|connect failure|no answer in",
    re.I,
)
CHANGED = (
    "job {job} of an earlier call still makes this, of code or configs that have changed since; "
    "`scancel {job}`, then run the same command again."
)
# Of the last failed attempts; and exit codes that are no node's fault: done, a user's mistake,
# cut off, killed for memory, told to stop.
NODES = 3
BLAMELESS = (0, 2, 75, 130, 137, 143)


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


def twin(
    rows: list[queue.Queued], work: Submission
) -> tuple[queue.Queued | None, Submission | None]:
    """The queued job that does this work already, and its submission, if that was noted."""
    comment = f"rule_{work.key.partition('/')[2]}"
    known = {s.job: s for s in ledger.submitted()}
    for row in rows:
        if row.state in (*FINAL, *NO_END, "COMPLETING"):
            continue
        one = known.get(row.job)
        if one and (one.run, one.key) == (row.name, work.key):
            return row, one
        if (row.name, row.comment) == (work.run, comment):  # Slurm's answer was lost
            return row, None
    return None, None
