"""What a folder's workflow submitted to Slurm and how it ended, in files that outlive Snakemake.

`.snakemake/slurm_jobs/submitted.jsonl` has a line a submission, `.snakemake/slurm_ends/<job>` a
line for each time that a job ran to its end: exit code, seconds, node.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from seesaw.core import paths
from seesaw.core.records import read_record

FOLDER = paths.ROOT / ".snakemake/slurm_jobs"
SUBMITTED = FOLDER / "submitted.jsonl"
# The queue forgets how a job ended, this does not.
ENDS = paths.ROOT / ".snakemake/slurm_ends"
# An environment variable of Snakemake's main process: the scale whose work it submits.
RUN = "SEESAW_RUN"
# How many of the last failed attempts name nodes; exit codes that are no node's fault: done, a
# user's mistake, cut off, killed for memory, told to stop.
NODES = 3
BLAMELESS = (0, 2, 75, 130, 137, 143)


class Submission(NamedTuple):
    """One sbatch.

    Attributes:
        job: Slurm's id.
        run: the call of Snakemake that submitted it: the name of its jobs in the queue.
        key: the work: scale, rule and wildcards; the same in every attempt.
        fingerprint: of the work when it was submitted; "" if it has none.
        asked: of its options, those that say how much: minutes, memory, CPUs, GPUs, nodes.
    """

    job: str
    run: str
    key: str
    fingerprint: str
    asked: dict[str, str]


class End(NamedTuple):
    """How a job's command ended."""

    status: int
    seconds: int
    node: str


def submitted() -> list[Submission]:
    """All submissions from this folder, oldest first."""
    found = []
    for entry in json_lines(SUBMITTED):
        try:
            found.append(Submission(**entry))
        except TypeError:  # of another version
            continue
    return found


def last(run: str, work: str) -> str | None:
    """The id of the newest job for some work, named as its log: `train/a01_mask_rcnn/seed0`."""
    rule, *names = work.split("/")
    wildcards = "_".join(re.sub(r"^seed(?=\d+$)", "", name) for name in names)
    key = f"{run}/{rule}_wildcards_{wildcards}" if names else f"{run}/{rule}"
    return next((one.job for one in reversed(submitted()) if one.key == key), None)


def note(submission: Submission) -> None:
    """Append a submission."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with SUBMITTED.open("a", encoding="utf-8") as file:
        file.write(json.dumps(submission._asdict()) + "\n")


def ends(job: str) -> list[End]:
    """The ends that a job noted; several if it was requeued."""
    found = []
    for line in text_lines(ENDS / job):
        with suppress(ValueError):  # The line is half-written where the disk was full.
            status, seconds, node = line.split()
            found.append(End(int(status), int(seconds), node))
    return found


def seen(job: str) -> dict:
    """What the queue last said of a job: state, reason, since, node; empty if never asked."""
    entries = [read_record(path) or {} for path in FOLDER.glob("*.json")]
    found = [entry[job] for entry in entries if job in entry]
    return max(found, key=lambda entry: entry["since"], default={})


def bad_nodes(key: str) -> list[str]:
    """The nodes on which the last attempts at this work failed, of jobs on one node."""
    found: dict[str, None] = {}
    for one in reversed([s for s in submitted() if s.key == key][-2 * NODES :]):
        last = ends(one.job)[-1:]
        if last and last[0].status not in BLAMELESS and one.asked.get("--nodes", "1") == "1":
            found[last[0].node] = None
        elif node := seen(one.job).get("failed_node"):
            found[node] = None
    return list(found)[:NODES]


def json_lines(path: Path) -> list[dict]:
    """The objects of a file with one a line; a half-written one is left out, no file is none."""
    found = []
    for line in text_lines(path):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [entry for entry in found if isinstance(entry, dict)]


def text_lines(path: Path) -> list[str]:
    """A file's lines; none if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
