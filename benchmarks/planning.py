"""CPU time of planning many trainings and of showing a large table.

In a clone whose experiment table has more seeds, and rows in Table A1 that nothing has run: a dry
run of all jobs by Snakemake, ``seesaw plan``, and ``seesaw show``. Without ``--full`` a third.
"""

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from report import arguments, row

REPOSITORY = Path(__file__).parents[1]
NAMES = ("Snakefile", "workflow", "profiles", "local", "environment.yml", "paper_figures")
SEEDS, METRICS, CELLS = 34, 5, 10_000  # 30 trainings of 34 seeds


def clone(folder: Path) -> Path:
    """The workflow's files, by links, and a copy of the configs."""
    for name in NAMES:
        (folder / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "configs", folder / "configs")
    return folder / "configs" / "experiments.yaml"


def cpu_seconds(folder: Path, *words: str) -> float:
    """CPU seconds of a command in a folder, of its children too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: cells are missing
        raise SystemExit(done.stderr or done.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def planning(seeds: int) -> None:
    """Measure the dry run and the plan of all trainings with so many seeds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = clone(folder)
        text, trainings = re.subn(r"seeds: \[0\]", f"seeds: {[*range(seeds)]}", table.read_text())
        table.write_text(text)
        what, most = f"{trainings * seeds:,} trainings", 10 if seeds == SEEDS else None
        dry = cpu_seconds(folder, "snakemake", "--profile", "local", "-nq", "all")
        row(f"{what} and all that follows: Snakemake's dry run", dry, "CPU s", at_most=most)
        plan = cpu_seconds(folder, "seesaw.cli", "plan", "--scale", "mini")
        row(f"{what}: seesaw plan", plan, "CPU s", at_most=most)


def showing(cells: int) -> None:
    """Measure `seesaw show` of Table A1 with so many cells."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = clone(folder)
        content = yaml.safe_load(table.read_text())
        more = [
            {"place": "table_a1", "evaluation": "b03_htc_lite", "label": f"row {k}"}
            for k in range(cells // METRICS)
        ]
        table.write_text(yaml.safe_dump(content | {"cells": content["cells"] + more}))
        shown = cpu_seconds(folder, "seesaw.cli", "show", "table_a1", "--scale", "mini")
        most = 5 if cells == CELLS else None
        row(f"Table of {cells:,} cells: seesaw show", shown, "CPU s", at_most=most)


def main() -> None:
    """Measure and report."""
    share = 1 if arguments(__doc__, "1,020 trainings and 10,000 cells").parse_args().full else 3
    planning(SEEDS // share)
    showing(CELLS // share)


if __name__ == "__main__":
    main()
