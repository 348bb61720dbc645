"""The SLURM submissions of a folder's workflow and their ends, in files that outlive Snakemake.

`.snakemake/slurm_jobs/submitted.jsonl` has a line for each submission, and
`.snakemake/slurm_ends/<job>` one for each time that a job ran to its end: exit code, seconds, node.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import NotRequired, TypedDict

from seesaw.core import paths
from seesaw.core.files import append_line
from seesaw.core.json import json_or_none
from seesaw.training.run_log import parsed

FOLDER = paths.ROOT / ".snakemake/slurm_jobs"
SUBMITTED = FOLDER / "submitted.jsonl"
# SLURM's queue forgets how a job ended; these files do not.
ENDS = paths.ROOT / ".snakemake/slurm_ends"
# An environment variable of Snakemake's main process: the scale for which it submits jobs.
SCALE = "SEESAW_WORKFLOW_SCALE"
# How many of the last failed attempts count for excluding nodes; exit codes that are not the node's
# fault: success, a user's mistake, interrupted, killed for memory, terminated by a signal.
NODES = 3
BLAMELESS = (0, 2, 75, 130, 137, 143)


class Submission(NamedTuple):
    """One call of sbatch."""

    job: str  # SLURM's id
    run: str  # the name that the submitting call of Snakemake gives its jobs in the queue
    key: str  # identifies the work by scale, rule and wildcards; the same in every attempt
    fingerprint: str  # fingerprint of the work at submission; "" if it has none
    asked: dict[str, str]  # the options that request amounts: minutes, memory, CPUs, GPUs, nodes
    folder: str = ""  # that of the workflow; "" if an older version noted it


_SUBMISSION = TypeAdapter(Submission)


@with_config(ConfigDict(extra="allow"))
class Seen(TypedDict):
    """What the queue last said of a job; ``since`` is in s since 1970."""

    state: str
    since: float
    reason: NotRequired[str]
    node: NotRequired[str]
    failed_node: NotRequired[str]
    reported: NotRequired[bool]


class End(NamedTuple):
    """How a job's command ended."""

    status: int
    seconds: int
    node: str


def copied(folder: str, here: Path) -> bool:
    """Whether a note that was made in ``folder`` is in a copy of it, ``here``; not if it moved."""
    try:
        return bool(folder) and Path(folder).exists() and not Path(folder).samefile(here)
    except OSError:
        return False


def submitted() -> list[Submission]:
    """Return all submissions from this folder, the oldest first."""
    try:
        now = SUBMITTED.stat()
    except OSError:
        return []
    return _read((now.st_ino, now.st_mtime_ns, now.st_size))


@lru_cache(maxsize=1)  # `seesaw status` asks once for each job
def _read(state: tuple[int, ...]) -> list[Submission]:
    found = []
    for entry in parsed(text_lines(SUBMITTED)):
        with suppress(ValidationError):  # damaged, or written by another version
            found.append(_SUBMISSION.validate_python(entry))
    return found


def of(job: str | None) -> Submission | None:
    """Return the newest submission to which SLURM gave an id; None if none is noted."""
    return next((one for one in reversed(submitted()) if one.job == job), None)


def last(scale: str, work: str) -> str | None:
    """Return the newest job id for work named as its log: `train/a01_mask_rcnn/seed0`."""
    rule, *names = work.split("/")
    wildcards = "_".join(re.sub(r"^seed(?=\d+$)", "", name) for name in names)
    key = f"{scale}/{rule}_wildcards_{wildcards}" if names else f"{scale}/{rule}"
    return next((one.job for one in reversed(submitted()) if one.key == key), None)


def note(submission: Submission) -> None:
    """Append a submission; if it cannot be written, say so, because the job runs all the same."""
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        append_line(SUBMITTED, json.dumps(submission._asdict()))
    except OSError as error:
        what = f"SLURM job {submission.job} is not recorded, so no later call takes it over"
        print(f"{SUBMITTED} cannot be written ({error.strerror}): {what}.", file=sys.stderr)


def ends(job: str) -> list[End]:
    """Return the recorded ends of a job; several if it was requeued."""
    found = []
    for line in text_lines(ENDS / job):
        with suppress(ValueError):  # the line is incomplete if the disk was full
            status, seconds, node = line.split()
            found.append(End(int(status), int(seconds), node))
    return found


def seen(job: str) -> Mapping[str, Any]:
    """Return a job's last known state, reason, since and node; empty if never queried."""
    states = []
    for path in sorted(FOLDER.glob("*.json")):
        with suppress(OSError):  # deleted meanwhile
            now = path.stat()
            states.append((path, now.st_ino, now.st_mtime_ns, now.st_size))
    return _newest(tuple(states)).get(job, {})


@lru_cache(maxsize=1)  # as for `_read`
def _newest(states: tuple[tuple[Path, int, int, int], ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path, *_ in states:
        for job, entry in (json_or_none(path, dict[str, Seen]) or {}).items():
            if job not in found or entry["since"] > found[job]["since"]:
                found[job] = entry
    return found


def amount(text: object) -> float:
    """Return what a job asked for or used as a number; 0 if it is none."""
    try:
        return float(str(text))
    except ValueError:
        return 0.0


def bad_nodes(key: str) -> list[str]:
    """Return the nodes on which the last attempts at this work failed, for single-node jobs."""
    found: dict[str, None] = {}
    for one in reversed([s for s in submitted() if s.key == key][-2 * NODES :]):
        last = ends(one.job)[-1:]
        if last and last[0].status not in BLAMELESS and one.asked.get("--nodes", "1") == "1":
            found[last[0].node] = None
        elif node := seen(one.job).get("failed_node"):
            found[node] = None
    return list(found)[:NODES]


def text_lines(path: Path) -> list[str]:
    """Return a file's lines; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
