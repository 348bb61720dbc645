"""One rung of the table at smoke scale by the user's own command, each job through sbatch."""

import errno
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from repository import copied, planned

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
KEPT = ("Snakefile", "workflow", "configs", "environment.yml", "requirements.lock")
FOLDER = "results/smoke/a01_mask_rcnn/seed0"
TARGET = f"{FOLDER}/a01_mask_rcnn/metrics.json"
RUN = ("--config", "scale=smoke", "--", TARGET)
RULES = ("pretrain", "train", "detect", "evaluate")


@pytest.fixture(scope="module")
def clone(cluster, time_outs, root) -> Path:
    copied(root, *KEPT)
    # Two ranks on CPUs, one on each of two nodes.
    site = "{gpus: {smoke: 2}, gpus_per_node: 1, cpus_per_gpu: 1, mem_mb_per_gpu: 4000}\n"
    (root / "site.yaml").write_text(site)
    return root


@pytest.fixture(scope="module")
def full(cluster, clone) -> tuple[str, str]:
    """What the run and then `seesaw status` say while the work directory's disk is full."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    (clone / "work").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(clone / "work")]
    subprocess.run(mount, check=True)
    try:
        running = cluster.start(clone, "--retries", "0", *RUN)
        assert running.wait() == 1
        return (clone / "said").read_text(), status(cluster, clone)
    finally:
        subprocess.run(["umount", str(clone / "work")], check=True)


def status(cluster, clone) -> str:
    command = ["seesaw", "status", "a01", "--scale", "smoke"]
    done = subprocess.run(
        command, cwd=clone, env=cluster.environment, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    return " ".join(done.stdout.split())


@pytest.fixture(scope="module")
def said(cluster, clone) -> str:
    return cluster.run(clone, *RUN)


def test_a_full_disk_is_one_sentence_and_nothing_counts_as_finished(full, clone):
    said, stands = full
    assert os.strerror(errno.ENOSPC) in " ".join(said.split())
    assert not (clone / FOLDER / "model.pth").exists()
    assert re.search(r"failed train/a01_mask_rcnn/seed0: \S+ cannot\b", stands)
    assert f"next: snakemake --profile slurm {FOLDER}/model.pth --config scale=smoke" in stands


def test_a_rung_is_trained_detected_and_scored_by_sbatch(said, cluster, clone):
    noted = (clone / ".snakemake/slurm_jobs/submitted.jsonl").read_text().splitlines()
    submitted = {json.loads(line)["key"].partition("_wildcards_")[0] for line in noted}
    assert submitted == {f"smoke/{rule}" for rule in RULES}
    record = json.loads((clone / FOLDER / "model.pth.provenance.json").read_text())
    assert (record["gpus"], record["batch"]) == (2, 2)
    assert set(json.loads((clone / TARGET).read_text())) >= {"segm", "bbox"}
    assert "evaluate: 1 done" in status(cluster, clone)


def test_again_there_is_nothing_to_do(said, cluster, clone):
    assert planned(cluster.run(clone, "-n", *RUN)) == {}


def test_what_the_jobs_used_is_reported(said):
    # heading of the report, then a row a rule
    report = said[said.index("longest / limit") :]
    for rule in RULES:
        assert re.search(rf"^ *{rule} +1 +\d", report, re.M), report
