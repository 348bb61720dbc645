"""What the tests of toy trainings share."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

TOY = ("--snakefile", str(Path(__file__).with_name("toy.smk")))


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, "snakemake ended first"
        time.sleep(0.2)


def at_iteration(root: Path, toy: str) -> Callable[[], bool]:
    """Whether a toy has done some iterations."""
    return (root / "work" / toy / "iter_003.pth").exists


def job_of(root: Path, toy: str) -> str:
    """The id of the job that works on a toy."""
    return json.loads((root / "work" / toy / "lease").read_text())["job"]


def submitted(root: Path, toy: str) -> list[dict]:
    """What was noted of all submissions for a toy."""
    lines = (root / ".snakemake/slurm_jobs/submitted.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [e for e in entries if e["key"] == f"toy/train_wildcards_{toy}"]


def submissions(root: Path, toy: str) -> list[str]:
    """The ids of all jobs that were submitted for a toy."""
    return [e["job"] for e in submitted(root, toy)]


def parts(root: Path, toy: str, iterations: int) -> list[str]:
    """A line of iterations for each process; together each iteration, once, in order."""
    text = (root / "out" / toy).read_text()
    assert text.split() == [str(i) for i in range(iterations)]
    return text.splitlines()
