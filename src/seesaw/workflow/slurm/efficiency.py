"""What the jobs of a scale asked of Slurm and what they used, from files alone.

Needs no accounting: times are those that the jobs noted, memory is that of Snakemake's benchmarks
(of the last attempt, and of one process tree: on several nodes that of the first).
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from seesaw.workflow.slurm import ledger
from seesaw.workflow.slurm.ledger import Submission

CUT_OFF = 75


class Use(NamedTuple):
    """Of all jobs of a rule.

    Attributes:
        rule: its name.
        jobs: different ones.
        attempts: submissions.
        hours: wall time of all segments of all attempts.
        lost: share of it in segments that failed.
        gpu_hours: the same times the GPUs.
        time: longest segment's share of what it asked for; None before the first end.
        memory: largest share of the memory that was asked for; None without a benchmark.
    """

    rule: str
    jobs: int
    attempts: int
    hours: float
    lost: float
    gpu_hours: float
    time: float | None
    memory: float | None


def used(run: str, benchmarks: Path) -> list[Use]:
    """A row a rule, in the order of their first submissions.

    Args:
        run: the scale, as results are named after it.
        benchmarks: the folder of Snakemake's benchmarks, one of each rule in it.
    """
    rules: dict[str, list[Submission]] = defaultdict(list)
    for one in ledger.submitted():
        place, _, work = one.key.partition("/")
        if place == run:
            rules[work.partition("_wildcards_")[0]].append(one)
    return [_use(rule, ones, benchmarks / rule) for rule, ones in rules.items()]


def _use(rule: str, submissions: list[Submission], benchmarks: Path) -> Use:
    ends = [(one, end) for one in submissions for end in ledger.ends(one.job)]
    seconds = sum(end.seconds for _, end in ends)
    failed = sum(end.seconds for _, end in ends if end.status not in (0, CUT_OFF))
    asked = max((float(one.asked.get("--mem", 0)) for one in submissions), default=0)
    peak = max(_megabytes([*benchmarks.glob("*.tsv"), benchmarks.with_suffix(".tsv")]), default=0)
    return Use(
        rule=rule,
        jobs=len({one.key for one in submissions}),
        attempts=len(submissions),
        hours=seconds / 3600,
        lost=failed / seconds if seconds else 0.0,
        gpu_hours=sum(end.seconds * gpus(one.asked) for one, end in ends) / 3600,
        time=max((end.seconds / _limit(one) for one, end in ends if _limit(one)), default=None),
        memory=peak / asked if asked and peak else None,
    )


def gpus(asked: dict[str, str]) -> int:
    """GPUs of a job: of `--gpus=a100:8`, or of `--gres=gpu:a100:8` on each of its nodes."""
    here = asked.get("--gpus") or asked.get("--gres", "0")
    count = re.search(r"(\d+)$", here)
    nodes = 1 if "--gpus" in asked else int(asked.get("--nodes", 1))
    return int(count.group(1)) * nodes if count else 0


def _limit(one: Submission) -> float:
    """The wall time that a job asked for, in seconds; 0 without a limit."""
    minutes = one.asked.get("-t", "")
    return 60 * float(minutes) if minutes.isdigit() else 0.0


def _megabytes(paths: Iterable[Path]) -> list[float]:
    """The largest resident memory that each benchmark saw."""
    found = []
    for path in paths:
        rows = list(csv.DictReader(ledger.text_lines(path), delimiter="\t"))
        found += [float(row["max_rss"]) for row in rows if row.get("max_rss", "-")[:1].isdigit()]
    return found
