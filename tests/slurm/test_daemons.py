"""Slurm's own daemons die on a second cluster, whose orphaned processes live on."""

import json
import re
import time

import pytest
from toys import TOY, at_iteration, parts, submissions, wait_for

from seesaw.workflow.slurm.segments import records

pytestmark = [pytest.mark.slow, pytest.mark.slurm]


def lease(root) -> str:
    """Who works on the orphan."""
    path = root / "work/orphan/lease"
    return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def root(frail_cluster, new_clone):
    """A node is lost, then the controller is away for half a minute."""
    root = new_clone("daemons")
    running = frail_cluster.start(root, *TOY, "out/orphan", "out/pinned", "out/after")
    wait_for(at_iteration(root, "orphan"), running)
    frail_cluster.control("down", "node1")
    orphan = lease(root)
    wait_for(lambda: lease(root) not in ("", orphan), running)
    wait_for(lambda: "`sinfo -R`" in (root / "said").read_text(), running)
    frail_cluster.control("down", "slurmctld")
    (root / "away").touch()
    time.sleep(25)
    frail_cluster.control("up", "slurmctld")
    frail_cluster.control("up", "node1")
    status = running.wait()
    assert status == 0, (root / "said").read_text()[-5000:]
    return root


def test_an_orphan_and_its_twin_never_write_both(root):
    # each iteration once and in order: the twin went on from where the orphan was stopped
    assert len(parts(root, "orphan", 240)) == 2
    assert records(root / "work/orphan")[-1]["status"] == 0


def test_a_gpu_is_had_of_a_scheduler_that_refuses_the_option_gpus(root):
    lines = (root / ".snakemake/slurm_jobs/submitted.jsonl").read_text().splitlines()
    (noted,) = [one for one in map(json.loads, lines) if one["key"] == "toy/after"]
    assert noted["asked"]["--gpus"] == "1" and (root / "out/after").exists()


def test_a_node_that_does_not_come_back_is_reported(root):
    found = re.search(r"job \d+ .* reason (.*?): `sinfo -R`", (root / "said").read_text())
    assert "node" in found.group(1).lower()
    assert len(parts(root, "pinned", 3)) == 1


def test_an_absent_controller_is_survived(root):
    said = (root / "said").read_text()
    assert "squeue failed" in said  # the plugin asked meanwhile
    assert "restart job" not in said  # nor did a submission count as an attempt
    for toy in ("orphan", "pinned"):
        assert len(submissions(root, toy)) == 1
