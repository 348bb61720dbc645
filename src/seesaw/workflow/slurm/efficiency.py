"""Resources that a scale's jobs requested from SLURM and used, from files alone.

No accounting is needed: times come from the jobs' own notes, and memory from Snakemake's benchmarks
(of the last attempt, and of one process tree: with several nodes, that of the first node).
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from seesaw.workflow.slurm import ledger
from seesaw.workflow.slurm.ledger import Submission
from seesaw.workflow.slurm.segments import CUT_OFF


class Use(NamedTuple):
    """The resources of all jobs of a rule."""

    rule: str  # name of the rule
    jobs: int  # number of different jobs
    attempts: int  # number of those that Snakemake submitted; a requeue is none of its own here
    hours: float  # wall time of all segments of all attempts
    lost: float  # fraction of it in segments that failed
    gpu_hours: float  # the same times multiplied by the number of GPUs
    # longest segment's fraction of the requested time; None before the first end
    time: float | None
    memory: float | None  # largest fraction of the requested memory; None without a benchmark


def used(scale: str, benchmarks: Path) -> list[Use]:
    """Return one row for each rule, in the order of their first submissions.

    ``benchmarks`` is Snakemake's folder of them, which has a folder for each rule.
    """
    rules: dict[str, list[Submission]] = defaultdict(list)
    for one in ledger.submitted():
        of, _, work = one.key.partition("/")
        if of == scale:
            rules[work.partition("_wildcards_")[0]].append(one)
    return [_use(rule, ones, benchmarks / rule) for rule, ones in rules.items()]


def _use(rule: str, submissions: list[Submission], benchmarks: Path) -> Use:
    ends = [(one, end) for one in submissions for end in ledger.ends(one.job)]
    limits = [(ledger.amount(one.asked.get("-t")), end) for one, end in ends]  # in minutes
    seconds = sum(end.seconds for _, end in ends)
    failed = sum(end.seconds for _, end in ends if end.status not in (0, CUT_OFF))
    asked = max((ledger.amount(one.asked.get("--mem", 0)) for one in submissions), default=0)
    files = [*benchmarks.glob("*.tsv"), benchmarks.with_suffix(".tsv")]
    peak = max((mb for path in files for mb in benchmark(path, "max_rss")), default=0)
    return Use(
        rule=rule,
        jobs=len({one.key for one in submissions}),
        attempts=len(submissions),
        hours=seconds / 3600,
        lost=failed / seconds if seconds else 0.0,
        gpu_hours=sum(end.seconds * gpus(one.asked) for one, end in ends) / 3600,
        time=max((end.seconds / 60 / limit for limit, end in limits if limit), default=None),
        memory=peak / asked if asked and peak else None,
    )


def gpus(asked: dict[str, str]) -> int:
    """Return a job's GPUs from `--gpus=a100:8`, or from `--gres=gpu:a100:8` and its nodes."""
    here = asked.get("--gpus") or asked.get("--gres", "0")
    count = re.search(r"(\d+)$", here)
    nodes = 1 if "--gpus" in asked else int(asked.get("--nodes", 1))
    return int(count.group(1)) * nodes if count else 0


def benchmark(path: Path, column: str) -> list[float]:
    """Return a column of a benchmark of Snakemake, a number for each repetition; 0 if damaged."""
    rows = csv.DictReader(ledger.text_lines(path), delimiter="\t")
    return [ledger.amount(row.get(column)) for row in rows]
