"""Toy trainings on a real Slurm, cut off in every way: each ends finished, nothing is lost."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seesaw.cluster.segments import memory, records

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow
TOY = ("--snakefile", str(HERE / "toy.smk"))


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, "snakemake ended first"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def said(cluster, time_outs, root) -> str:
    """All toys at once; one is cancelled."""
    running = cluster.start(root, *TOY, "all")
    cancelled = root / "work/cancelled"
    wait_for(lambda: (cancelled / "iter_003.pth").exists(), running)
    cluster.ask("scancel", json.loads((cancelled / "lease").read_text())["job"])
    status = running.wait()
    text = (root / "said").read_text()
    assert status == 0, text[-5000:]
    return text


def parts(root: Path, toy: str, iterations: int) -> list[str]:
    """A line of iterations for each process; together each iteration, once, in order."""
    text = (root / "out" / toy).read_text()
    assert text.split() == [str(i) for i in range(iterations)]
    return text.splitlines()


def test_the_wall_time_limit_costs_no_retry(said, root):
    assert len(parts(root, "wall", 200)) >= 2
    segments = records(root / "work/wall")
    assert {s["status"] for s in segments[:-1]} == {75} and segments[-1]["status"] == 0
    assert len({s["job"] for s in segments}) == 1
    assert all(s["started"] + s["seconds"] < s["until"] + 5 for s in segments)


def test_a_cancelled_job_is_tried_again_and_goes_on(said, root):
    assert len(parts(root, "cancelled", 60)) == 2
    assert len({s["job"] for s in records(root / "work/cancelled")}) == 2


def test_a_killed_process_loses_nothing_and_gets_more_memory(said, root):
    assert parts(root, "killed", 9) == ["0 1 2 3 4 ", "5 6 7 8 "]
    segments = records(root / "work/killed")
    assert [(s["status"], s["out_of_memory"]) for s in segments] == [(137, True), (0, False)]
    assert memory(100, root / "work/killed") == 150
    assert "mem_mb=150" in said


def test_torchrun_over_two_nodes_is_cut_off_and_ends(said, root):
    assert (root / "out/ranks").read_text() == "4 ranks, sum 6"
    assert [s["status"] for s in records(root / "work/ranks")] == [75, 0]


def test_what_is_finished_is_not_done_again(said, cluster, root):
    assert "Nothing to be done" in cluster.run(root, *TOY, "-n", "all")


def test_an_absent_controller_is_survived(frail_cluster, time_outs, root):
    running = frail_cluster.start(root, *TOY, "out/outage")
    wait_for(lambda: (root / "work/outage/iter_003.pth").exists(), running)
    frail_cluster.control("down", "slurmctld")
    time.sleep(25)
    frail_cluster.control("up", "slurmctld")
    assert running.wait() == 0
    assert len(parts(root, "outage", 150)) == 1
    # The plugin asked meanwhile.
    assert re.search("squeue failed|Falling back to 'sacct'", (root / "said").read_text())


def test_seventeen_time_outs_in_a_row_are_one_job(time_outs):
    running, folder = time_outs
    assert running.wait() == 0
    assert parts(folder, "cut", 18) == [f"{i} " for i in range(18)]
    segments = records(folder / "work/cut")
    assert [s["status"] for s in segments] == [75] * 17 + [0]
    assert len({s["job"] for s in segments}) == 1
