"""W&B's offline runs, as its own program reads them."""

import json
import subprocess
import sys
from pathlib import Path

WANDB = Path(sys.executable).with_name("wandb")


def inspect(run: Path, *options: str) -> str:
    """Return what the program prints of a run; nothing while the file is half-written."""
    command = [WANDB, "leet", "inspect", "--json", *options, run]
    return subprocess.run(command, capture_output=True, text=True).stdout


def records(run: Path) -> list[dict]:
    """Return the records of a run."""
    return [json.loads(line) for line in inspect(run).splitlines()]


def history(records: list[dict]) -> list[dict]:
    """Return what was logged, in its order."""
    return [r["history"]["item"] for r in records if r["type"] == "history"]
