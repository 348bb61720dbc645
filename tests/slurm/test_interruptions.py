"""Toy trainings on a real Slurm, cut off in every way: each ends finished, nothing is lost."""

import re
import time
from collections.abc import Callable

import pytest
from repository import planned
from toys import TOY, at_iteration, job_of, parts, submissions, submitted

from seesaw.workflow.slurm.segments import records

pytestmark = [pytest.mark.slow, pytest.mark.slurm]


@pytest.fixture(scope="module")
def said(cluster, time_outs, root) -> str:
    """All toys at once; what is done to them is done as soon as they have begun."""
    running = cluster.start(root, *TOY, "all")

    def displace(toy: str) -> Callable[[], object]:
        def submit() -> object:
            node = cluster.ask("squeue", "-h", "-j", job_of(root, toy), "-o", "%N").strip()
            asked = ["--mem=300000", f"--nodelist={node}", "--output=/dev/null", "--wrap=sleep 2"]
            return cluster.ask("sbatch", "--partition=gpu", *asked)

        return submit

    def obey() -> object:
        found = re.search(r"JobHeldUser: `(.*?)`", said_so_far())
        return cluster.ask(*found.group(1).split())

    def said_so_far() -> str:
        return (root / "said").read_text()

    todo = {
        at_iteration(root, "cancelled"): lambda: cluster.ask("scancel", job_of(root, "cancelled")),
        at_iteration(root, "requeued"): lambda: cluster.ask(
            "scontrol", "requeue", job_of(root, "requeued")
        ),
        at_iteration(root, "spot"): displace("spot"),
        at_iteration(root, "scavenge"): displace("scavenge"),
        (lambda: "JobHeldUser" in said_so_far()): obey,
    }
    while todo and running.poll() is None:
        for ready in [condition for condition in todo if condition()]:
            todo.pop(ready)()
        time.sleep(0.2)
    status = running.wait()
    assert status == 0 and not todo, said_so_far()[-5000:]
    return said_so_far()


def test_the_wall_time_limit_costs_no_retry(said, root):
    assert len(parts(root, "wall", 200)) >= 2
    segments = records(root / "work/wall")
    assert {s["status"] for s in segments[:-1]} == {75} and segments[-1]["status"] == 0
    assert len(submissions(root, "wall")) == 1
    assert all(s["started"] + s["seconds"] < s["until"] + 5 for s in segments)


def test_a_cancelled_job_is_tried_again_and_goes_on(said, root):
    assert len(parts(root, "cancelled", 60)) == 2
    assert len(submissions(root, "cancelled")) == 2
    # the signal reached it, whatever the site tracks processes by
    assert [s["status"] for s in records(root / "work/cancelled")] == [75, 0]


@pytest.mark.parametrize("toy", ["requeued", "spot"])
def test_a_requeued_or_preempted_job_goes_on_under_its_id(said, root, toy):
    assert len(parts(root, toy, 60)) == 2
    assert len(submissions(root, toy)) == 1


def test_a_job_that_was_preempted_for_good_is_tried_again(said, root):
    assert len(parts(root, "scavenge", 60)) == 2
    first, _ = submissions(root, "scavenge")
    assert f"{first} is PREEMPTED" in said


def test_a_killed_process_loses_nothing_and_gets_more_memory(said, root):
    assert parts(root, "killed", 9) == ["0 1 2 3 4 ", "5 6 7 8 "]
    segments = records(root / "work/killed")
    assert [(s["status"], s["out_of_memory"]) for s in segments] == [(137, True), (0, False)]
    assert [one["asked"]["--mem"] for one in submitted(root, "killed")] == ["100", "150"]


def test_a_job_that_nobody_starts_is_told_with_the_command(said, root):
    assert said.count("JobHeldUser: `") == 1
    assert len(parts(root, "held", 3)) == 1


def test_the_next_attempt_keeps_off_the_node_that_failed(said, root):
    first, second = (root / "work/bad_node/nodes").read_text().split()
    assert first != second
    assert f"keeps off {first}, " in said
    assert len(parts(root, "bad_node", 3)) == 1


def test_torchrun_over_two_nodes_is_cut_off_and_ends(said, root):
    assert (root / "out/ranks").read_text() == "4 ranks, sum 6"
    assert [s["status"] for s in records(root / "work/ranks")] == [75, 0]


def test_what_is_finished_is_not_done_again(said, cluster, root):
    assert planned(cluster.run(root, *TOY, "-n", "all")) == {}


def test_seventeen_time_outs_in_a_row_are_one_job(time_outs):
    running, folder = time_outs["cut"]
    assert running.wait() == 0
    assert parts(folder, "cut", 18) == [f"{i} " for i in range(18)]
    segments = records(folder / "work/cut")
    assert [s["status"] for s in segments] == [75] * 17 + [0]
    assert len(submissions(folder, "cut")) == 1


def test_time_outs_without_progress_end_with_a_sentence(time_outs):
    running, folder = time_outs["stuck"]
    assert running.wait() == 1
    assert [s["status"] for s in records(folder / "work/stuck")] == [75] * 3
    said = (folder / "said").read_text()
    assert re.search(r"work/stuck: 3 .* 0; .*`segment`", said)
