"""Lease, requeue bounds and the watched squeue, against stand-ins for Slurm's commands."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw.cluster import ENDS, segments
from seesaw.cluster.lease import Lease
from seesaw.errors import UserError

SQUEUE = Path(__file__).parents[2] / "workflow/bin/squeue"
QUERY = ("--format=%i|%T", "--states=all", "--noheader", "--name", "run")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with a `bin` that is searched first."""
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    python = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), python, "/usr/bin", "/bin"]))
    return tmp_path


def command(place: Path, name: str, script: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def query(place: Path, seconds: str = "0") -> dict[str, str]:
    search = os.pathsep.join([str(SQUEUE.parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": search, "SEESAW_LOST_SECONDS": seconds}
    told = subprocess.check_output(["squeue", *QUERY], env=environment, text=True)
    return dict(line.split("|") for line in told.splitlines())


def test_a_failing_squeue_answers_with_what_was_known(place):
    command(place, "squeue", "echo '1|RUNNING'; echo '2|PENDING'")
    assert query(place) == {"1": "RUNNING", "2": "PENDING"}
    command(place, "squeue", "echo 'slurm_load_jobs error' >&2; exit 1")
    assert query(place) == {"1": "RUNNING", "2": "PENDING"}


def test_a_job_in_no_queue_counts_by_its_noted_end(place):
    command(place, "squeue", "echo '1|RUNNING'; echo '2|RUNNING'; echo '3|PREEMPTED'")
    query(place)
    (place / ENDS).mkdir(parents=True)
    (place / ENDS / "1").write_text("0\n")
    command(place, "squeue", "echo '3|PREEMPTED'")
    assert query(place, "100") == {"1": "PENDING", "2": "PENDING", "3": "PENDING"}
    lost = {"1": "COMPLETED", "2": "ERROR", "3": "ERROR"}
    assert query(place) == lost
    assert query(place, "100") == lost


def test_a_job_that_ended_may_leave_the_queue(place):
    command(place, "squeue", "echo '1|FAILED'; echo '2|COMPLETED'")
    query(place)
    command(place, "squeue", "true")
    assert query(place) == {"1": "FAILED", "2": "COMPLETED"}


def test_any_other_call_is_slurms(place):
    command(place, "squeue", 'echo "$@"')
    search = os.pathsep.join([str(SQUEUE.parent), os.environ["PATH"]])
    told = subprocess.check_output(["squeue", "-h"], env={**os.environ, "PATH": search}, text=True)
    assert told == "-h\n"


def test_a_running_job_keeps_its_lease(place):
    command(place, "squeue", "echo RUNNING")
    path = place / "lease"
    with (
        Lease(path, "1", period=0.01),
        pytest.raises(UserError, match=r"job 1 on .* trains this already.*scancel 1"),
        Lease(path, "2", period=0.01, wait=0.05),
    ):
        pass
    assert not path.exists()


@pytest.mark.parametrize(("job", "answer"), [("1", "echo RUNNING"), ("2", "exit 0")])
def test_the_requeued_twin_and_the_next_job_take_over(place, job, answer):
    command(place, "squeue", answer)
    path = place / "lease"
    with Lease(path, "1", period=0.01) as orphan:
        with Lease(path, job, period=0.01):
            assert not orphan.held()
        assert not path.exists()


def test_a_lease_stays_where_slurm_does_not_answer(place):
    command(place, "squeue", "exit 1")
    path = place / "lease"
    holder = dict(job="1", host=platform.node(), pid=os.getpid(), id="x")
    path.write_text(json.dumps(holder))
    with pytest.raises(UserError), Lease(path, "2", period=0.01, wait=0.05):
        pass
    assert json.loads(path.read_text()) == holder


def line(status: int, checkpoint: str, out_of_memory: bool = False) -> str:
    record = dict(status=status, checkpoint=checkpoint, out_of_memory=out_of_memory)
    return json.dumps(record) + "\n"


def test_segments_without_progress_are_bounded(place):
    file = place / "segments.jsonl"
    file.write_text(line(75, "iter_1.pth") + line(75, "iter_2.pth") * 2)
    assert segments.stuck(place) is None
    file.write_text(line(75, "iter_2.pth") * 3)
    assert "3 jobs in a row were cut off at checkpoint iter_2.pth" in segments.stuck(place)
    file.write_text(line(75, "iter_2.pth") * 2 + line(0, "iter_2.pth"))
    assert segments.stuck(place) is None


def test_memory_grows_by_recorded_kills_only(place):
    file = place / "segments.jsonl"
    assert segments.memory(1000, place) == 1000
    file.write_text(line(1, "a") + line(137, "a", True) + line(75, "a") + '{"half')
    assert segments.memory(1000, place) == 1500
