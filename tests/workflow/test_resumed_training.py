"""Real models through the command line, stopped after each iteration: the same bytes."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CLI = ["-m", "seesaw.cli"]
RANKS = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *CLI]


def seesaw(root: Path, *arguments: str, how=CLI, deadline: float | None = None):
    command = [sys.executable, *how, *arguments, "--scale", "smoke"]
    environment = os.environ | ({"SEESAW_DEADLINE": str(deadline)} if deadline else {})
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)


def evaluated(root: Path, training: str) -> dict[str, bytes]:
    """What follows from a model: detections, metrics, the table."""
    for arguments in (["detect", training], ["evaluate", training], ["table", "table_a1"]):
        done = seesaw(root, *arguments)
        assert done.returncode == 0, done.stderr[-2000:]
    folder, tables = root / "results/smoke" / training / "seed0", root / "results/smoke/tables"
    files = [folder / training / name for name in ("detections.jsonl", "metrics.json")]
    files += sorted(tables.glob("table_a1.*[!json]"))
    return {path.name: path.read_bytes() for path in files if "provenance" not in path.name}


@pytest.mark.parametrize(
    ("training", "how"),
    [("a01_mask_rcnn", CLI), ("cascade_rfs_seesaw", RANKS)],
    ids=["one process", "two ranks"],
)
def test_stopped_after_each_of_the_first_iterations(smoke_root, training, how):
    folder = smoke_root / "results/smoke" / training / "seed0"
    shutil.rmtree(smoke_root / "work", ignore_errors=True)
    made = seesaw(smoke_root, "train", training, "--fingerprint", "whole", how=how)
    assert made.returncode == 0, made.stderr[-2000:]
    model = (folder / "model.pth").read_bytes()
    follows = evaluated(smoke_root, training) if how is CLI else {}
    shutil.rmtree(folder)
    work = smoke_root / "work/smoke" / training / "seed0/stopped"
    for done in (1, 2):
        stopped = seesaw(
            smoke_root, "train", training, "--fingerprint", "stopped", how=how, deadline=time.time()
        )
        # torchrun ends with 1 whatever its processes end with; the record tells
        assert stopped.returncode == (75 if how is CLI else 1), stopped.stderr[-2000:]
        said = f"seesaw train: stopped by the deadline after iteration {done} of "
        assert stopped.stderr.count(said) == 1
        assert (work / "interrupted.json").is_file() and (work / f"iter_{done}.pth").is_file()
        assert not list(folder.glob("*"))  # neither a model nor a failure
    resumed = seesaw(smoke_root, "train", training, "--fingerprint", "stopped", how=how)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert (folder / "model.pth").read_bytes() == model
    if how is CLI:
        assert evaluated(smoke_root, training) == follows
        assert {"detections.jsonl", "metrics.json", "table_a1.txt"} <= follows.keys()
