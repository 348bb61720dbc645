"""What a finished smoke run is not made again for; SEESAW_FINISHED: a checkout with one.

.ci/run sets it after the full run on its cluster. Dry runs: these need no Slurm. What an edit makes
again: tests/workflow/test_dependants.py and versioning/test_round_trip.py.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from repository import planned, snakemake

FINISHED = os.environ.get("SEESAW_FINISHED")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(not FINISHED, reason="needs a finished run; .ci/run has one"),
]
MADE = ("data/smoke_lvis", "results/smoke", ".snakemake/metadata")


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A fresh checkout, with what the finished one has made; all times are new."""
    subprocess.run(["git", "clone", "-q", FINISHED, tmp_path], check=True)
    for name in MADE:
        shutil.copytree(Path(FINISHED, name), tmp_path / name, copy_function=shutil.copyfile)
    return tmp_path


def dry_run(checkout: Path) -> str:
    """What `snakemake --profile slurm -n all` says."""
    words = ("--profile", "slurm", "--config", "scale=smoke", "-n", "--", "all")
    return snakemake(checkout, *words, PYTHONPATH=str(checkout / "src"))


def test_a_fresh_checkout_a_comment_and_touched_data_retrain_nothing(checkout):
    assert planned(dry_run(checkout)) == {}
    for module in ("models/losses/seesaw_loss.py", "training/train.py"):
        with (checkout / "src/seesaw" / module).open("a") as source:
            source.write("# a remark\n")
    for path in (checkout / "data").rglob("*"):
        path.touch()
    assert planned(dry_run(checkout)) == {}
