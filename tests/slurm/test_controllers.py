"""Snakemake itself dies, or runs twice."""

import re
import signal
import time

import pytest
from repository import planned
from toys import TOY, at_iteration, job_of, parts, submissions, wait_for

from seesaw.workflow.slurm.segments import records

pytestmark = [pytest.mark.slow, pytest.mark.slurm]
BOTH = (*TOY, "out/left", "out/taken")


@pytest.fixture(scope="module")
def root(cluster, time_outs, new_clone):
    """Killed with two jobs running; when one of them has ended, started again."""
    root = new_clone("killed")
    (root / "large").write_bytes(bytes(2_000_000))  # Snakemake itself hashes up to 1 MB
    killed = cluster.start(root, *BOTH)
    for toy in ("left", "taken"):
        wait_for(at_iteration(root, toy), killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    while (root / "work/left/lease").exists() or not (root / "out/left").exists():
        time.sleep(0.2)
    job = job_of(root, "taken")
    assert cluster.ask("squeue", "-h", "-j", job, "-o", "%T").strip() == "RUNNING"
    assert "--unlock" in refused(cluster, root)
    cluster.run(root, *BOTH, "--unlock")
    again = cluster.start(root, *BOTH)
    taken = re.compile(rf"\bjob {job} .*\bRUNNING\b")
    wait_for(lambda: taken.search((root / "said").read_text()), again)
    (root / "work/taken/go").touch()
    assert again.wait() == 0
    return root


def refused(cluster, root, *arguments: str) -> str:
    before = (root / "said").stat().st_size
    assert cluster.start(root, *BOTH, *arguments).wait() == 1
    return (root / "said").read_bytes()[before:].decode()


def test_running_jobs_are_taken_over_and_finished_ones_kept(root):
    for toy, iterations in (("left", 20), ("taken", 20)):
        assert len(parts(root, toy, iterations)) == 1
        assert [s["status"] for s in records(root / "work" / toy)] == [0]
        assert len(submissions(root, toy)) == 1


def test_what_ended_without_snakemake_is_known_by_its_parameters(root, cluster):
    assert planned(cluster.run(root, "-n", *BOTH)) == {}
    changed = cluster.run(root, "-n", *BOTH, "--config", "lr=2")
    assert changed.count("Params have") == 2


def test_what_ended_without_snakemake_is_not_done_again_for_a_touched_input(root, cluster):
    (root / "large").touch()
    assert planned(cluster.run(root, "-n", *BOTH)) == {}


def test_of_two_that_start_at_once_one_runs(cluster, clone):
    both = [cluster.start(clone, *TOY, "out/twin") for _ in range(2)]
    assert sorted(running.wait() for running in both) == [0, 1]
    assert len(parts(clone, "twin", 3)) == 1
    assert len(records(clone / "work/twin")) == 1
    said = (clone / "said").read_text()
    assert "already" in said or "--unlock" in said  # ours or Snakemake's


def test_ctrl_c_cancels_the_jobs(cluster, clone):
    running = cluster.start(clone, *TOY, "out/wall")
    wait_for(at_iteration(clone, "wall"), running)
    job = job_of(clone, "wall")
    running.send_signal(signal.SIGINT)
    assert running.wait() != 0
    left = cluster.ask("squeue", "-h", "--states=all", "-j", job, "-o", "%T").split()
    assert left and left[0] in ("CANCELLED", "COMPLETING")
    assert len(submissions(clone, "wall")) == 1
