"""What a folder's workflow submitted to Slurm and how it ended, in files that outlive Snakemake.

`.snakemake/slurm_jobs/submitted.jsonl` has a line a submission, `.snakemake/slurm_ends/<job>` a
line for each time that a job ran to its end: exit code, seconds, node.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

from seesaw import paths
from seesaw.provenance import read_record

FOLDER = paths.ROOT / ".snakemake/slurm_jobs"
SUBMITTED = FOLDER / "submitted.jsonl"
# The queue forgets how a job ended, this does not.
ENDS = paths.ROOT / ".snakemake/slurm_ends"
# In the environment of Snakemake and its queries: <scale>, and the file with all fingerprints.
RUN, FINGERPRINTS = "SEESAW_RUN", "SEESAW_FINGERPRINTS"


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
        status, seconds, node = line.split()
        found.append(End(int(status), int(seconds), node))
    return found


def seen(job: str) -> dict:
    """What the queue last said of a job: state, reason, since, node; empty if never asked."""
    entries = [read_record(path) or {} for path in FOLDER.glob("*.json")]
    found = [entry[job] for entry in entries if job in entry]
    return max(found, key=lambda entry: entry["since"], default={})


def adopted(run: str) -> set[str]:
    """Jobs of earlier calls that a call of Snakemake has taken over."""
    return set(text_lines(FOLDER / f"{run}.adopted"))


def adopt(run: str, job: str) -> None:
    """Make a job one of this call's."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{run}.adopted").open("a", encoding="utf-8") as file:
        file.write(f"{job}\n")


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


def fingerprint(comment: str) -> str:
    """The fingerprint of a job from what Snakemake's plugin calls it; "" if it has none."""
    rule, _, wildcards = comment.removeprefix("rule_").partition("_wildcards_")
    try:
        known = json.loads(Path(os.environ[FINGERPRINTS]).read_text(encoding="utf-8"))["value"]
    except (KeyError, OSError, ValueError):
        return ""
    # train/a01/seed0 is rule_train_wildcards_a01_0; of two trainings the longer name is meant
    fits = {}
    for key, value in known.items():
        kind, _, name = key.partition("/")
        name = name.replace("/seed", "_")
        if kind == rule and wildcards.endswith(name):
            fits[name] = str(value)
    return fits[max(fits, key=len)] if fits else ""
