"""One rung of the table at smoke scale by the user's own command, each job through sbatch."""

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
KEEP = ("Snakefile", "workflow", "configs", "environment.yml", "requirements.lock")
FOLDER = "results/smoke/a01_mask_rcnn/seed0"
TARGET = f"{FOLDER}/a01_mask_rcnn/metrics.json"
RUN = ("--config", "scale=smoke", "--", TARGET)


@pytest.fixture(scope="module")
def said(cluster, time_outs, root) -> str:
    for name in KEEP:
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, root / name)
    # Two ranks on CPUs of one node.
    site = "{gpus: {smoke: 2}, gpus_per_node: 4, cpus_per_gpu: 1, mem_mb_per_gpu: 4000}\n"
    (root / "site.yaml").write_text(site)
    return cluster.run(root, *RUN)


def test_a_rung_is_trained_detected_and_scored_by_sbatch(said, root):
    assert len(re.findall(r"has been submitted with SLURM jobid", said)) == 4
    record = json.loads((root / FOLDER / "model.pth.provenance.json").read_text())
    assert (record["gpus"], record["batch"]) == (2, 2)
    assert set(json.loads((root / TARGET).read_text())) >= {"segm", "bbox"}


def test_again_there_is_nothing_to_do(said, cluster, root):
    assert "Nothing to be done" in cluster.run(root, "-n", *RUN)


def test_each_job_takes_longer_than_its_work_and_by_how_much_is_told(said, cluster, root, capsys):
    jobs = []
    for line in (cluster.folder / "log/jobs.txt").read_text().splitlines():
        facts = dict(re.findall(r"(\w+)=(\S+)", line))
        if facts["WorkDir"] == str(root) and facts["JobState"] == "COMPLETED":
            start, end = (datetime.fromisoformat(facts[k]) for k in ("StartTime", "EndTime"))
            jobs.append((end - start).total_seconds())
    tables = (root / "logs/smoke/benchmarks").glob("[!d]*/*.tsv")
    work = [float(t.read_text().split("\n")[1].split()[0]) for t in (*tables,)]
    overhead = (sum(jobs) - sum(work)) / len(jobs)
    with capsys.disabled():
        print(f"\noverhead of a job: {overhead:.1f} s, mean of {len(jobs)}")
    assert len(jobs) == 4 and overhead > 0
