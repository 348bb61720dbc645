"""A real model in two ranks through the command line, stopped after iterations: the same bytes.

In one process: tests/training/test_loader_workers.py.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
RANKS = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
TRAINING = "cascade_rfs_seesaw"


def train(root: Path, fingerprint: str, deadline: float | None = None):
    words = ["train", TRAINING, "--fingerprint", fingerprint, "--scale", "smoke"]
    command = [sys.executable, *RANKS, "-m", "seesaw.cli", *words]
    environment = os.environ | ({"SEESAW_DEADLINE": str(deadline)} if deadline else {})
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)


def test_stopped_after_each_of_the_first_iterations(smoke_root):
    folder = smoke_root / "results/smoke" / TRAINING / "seed0"
    made = train(smoke_root, "whole")
    assert made.returncode == 0, made.stderr[-2000:]
    model = (folder / "model.pth").read_bytes()
    shutil.rmtree(folder)
    work = smoke_root / "work/smoke" / TRAINING / "seed0/stopped"
    for done in (1, 2):
        stopped = train(smoke_root, "stopped", deadline=time.time())
        # torchrun ends with 1 whatever its processes end with; the record tells
        assert stopped.returncode == 1, stopped.stderr[-2000:]
        said = f"seesaw train: stopped by the deadline after iteration {done} of "
        assert stopped.stderr.count(said) == 1
        assert (work / "interrupted.json").is_file() and (work / f"iter_{done}.pth").is_file()
        assert not list(folder.glob("*"))  # neither a model nor a failure
    resumed = train(smoke_root, "stopped")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert (folder / "model.pth").read_bytes() == model
