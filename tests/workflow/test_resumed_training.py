"""A real model in two ranks through the command line, stopped after iterations: the same bytes.

In one process: tests/training/test_loader_workers.py.
"""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from facts import lacks
from repository import python

from seesaw.workflow.slurm.ledger import Submission

pytestmark = pytest.mark.slow
RANKS = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
TRAINING = "cascade_rfs_seesaw"


def train(root: Path, fingerprint: str, deadline: float | None = None):
    words = ["train", TRAINING, "--fingerprint", fingerprint, "--scale", "smoke"]
    variables = {"SEESAW_DEADLINE": str(deadline)} if deadline else {}
    # torchrun ends with 1 whatever its processes end with; the record tells
    ends = 1 if deadline else 0
    return python(root, *RANKS, "-m", "seesaw.cli", *words, code=ends, **variables)


def test_stopped_after_each_of_the_first_iterations(smoke_root):
    folder = smoke_root / "results/smoke" / TRAINING / "seed0"
    train(smoke_root, "whole")
    model = (folder / "model.pth").read_bytes()
    shutil.rmtree(folder)
    work = smoke_root / "work/smoke" / TRAINING / "seed0/stopped"
    for done in (1, 2):
        stopped = train(smoke_root, "stopped", deadline=time.time())
        said = re.findall(rf"seesaw train: .* deadline .* iteration {done} of ", stopped.stderr)
        assert len(said) == 1
        assert (work / "interrupted.json").is_file() and (work / f"iter_{done}.pth").is_file()
        assert not list(folder.glob("*"))  # neither a model nor a failure
    train(smoke_root, "stopped")
    assert (folder / "model.pth").read_bytes() == model


def test_a_requeued_job_does_not_train_what_was_edited_since_its_submission(smoke_root):
    work = smoke_root / "work/smoke" / TRAINING / "seed0"
    (work / "before").mkdir(parents=True)
    (work / "before/iter_1.pth").touch()
    folders = {*work.iterdir()}
    noted = smoke_root / ".snakemake/slurm_jobs/submitted.jsonl"
    noted.parent.mkdir(parents=True, exist_ok=True)
    key = f"smoke/train_wildcards_{TRAINING}_0"
    noted.write_text(json.dumps(Submission("7", "run", key, "before", {})._asdict()) + "\n")
    job = {"SLURM_JOB_ID": "7", "SEESAW_WORKFLOW_SCALE": "smoke"}
    words = ["train", TRAINING, "--fingerprint", "now", "--scale", "smoke"]
    said = python(smoke_root, "-m", "seesaw.cli", *words, code=2, **job).stderr
    assert not lacks(said, TRAINING, f"work/smoke/{TRAINING}/seed0/before")
    assert {*work.iterdir()} == folders
