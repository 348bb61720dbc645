"""Bounds of a requeued job: its lease, its segments without progress and its memory."""

import errno
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from facts import lacks, refusal
from stand_ins import command

from seesaw.cli import evaluation
from seesaw.errors import UserError
from seesaw.workflow.slurm import ledger, segments
from seesaw.workflow.slurm.lease import Lease, holder_of, leave_to_job
from seesaw.workflow.slurm.ledger import Submission


@pytest.mark.parametrize(
    "answer",
    [
        "echo RUNNING",
        "echo '* Down on Monday *'; echo RUNNING",
        '[ "$SQUEUE_STATES" ] || echo RUNNING',  # whatever the user filters
    ],
)
def test_a_running_job_keeps_its_lease(place, monkeypatch, answer):
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    command(place, "squeue", answer)
    path = place / "lease"
    with (
        Lease(path, "1", period=0.01),
        pytest.raises(UserError, match=r"job 1 .*scancel 1"),
        Lease(path, "2", period=0.01, wait=0.05),
    ):
        pass
    assert not path.exists()


@pytest.mark.parametrize("before", ["", "echo 'squeue: slow today'; "])
def test_the_deadline_is_read_beside_a_banner_and_whatever_format_the_user_likes(
    place, monkeypatch, before
):
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 3600))
    ours = f'[ "$SLURM_TIME_FORMAT" = standard ] && echo {end} || echo 20:30'
    command(place, "squeue", before + ours)
    assert segments.deadline("1") == pytest.approx(time.time() + 3540, abs=5)
    command(place, "squeue", "echo N/A")
    assert segments.deadline("1") is None


def test_the_deadline_is_by_the_clock_of_a_node_that_is_behind(place):
    def at(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + seconds))

    command(place, "squeue", f"echo '{at(3600 + 120)}|{at(120)}'")
    assert segments.deadline("1") == pytest.approx(time.time() + 3540, abs=5)
    command(place, "squeue", f"echo '{at(3600 - 30)}|{at(-30)}'")  # it began half a minute ago
    assert segments.deadline("1") == pytest.approx(time.time() + 3510, abs=5)


def test_a_file_system_without_hard_links_has_leases(place, monkeypatch):
    def missing(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", missing)
    command(place, "squeue", "echo RUNNING")
    path = place / "lease"
    with Lease(path, "1", period=0.01) as first:
        with pytest.raises(UserError, match="job 1 "), Lease(path, "2", period=0.01, wait=0.05):
            pass
        assert first.held()
        path.write_bytes(b"\xff")
        assert not first.held()


def test_a_copied_lease_is_nobodys_and_a_moved_one_is_its_jobs(place):
    command(place, "squeue", "echo RUNNING")
    path = place / "work/lease"
    with Lease(path, "1", period=0.01):
        shutil.copytree(path.parent, place / "copy")
        assert holder_of(place / "copy/lease") is None
        with Lease(place / "copy/lease", "2", period=0.01, wait=0.05):
            pass
        path.parent.rename(place / "moved")
        assert holder_of(place / "moved/lease")["job"] == "1"


def test_outside_of_slurm_nothing_works_beside_a_job(place, monkeypatch):
    path = place / "lease"
    leave_to_job(path)
    with Lease(path, "1", period=0.01):
        command(place, "squeue", "exit 0")
        leave_to_job(path)
        command(place, "squeue", "echo RUNNING")
        with pytest.raises(UserError, match=r"job 1 .*scancel 1"):
            leave_to_job(path)
        monkeypatch.setenv("SLURM_JOB_ID", "1")
        leave_to_job(path)


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


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"job": 1}', '{"job": "1"}'])
def test_a_damaged_lease_is_replaced_and_its_holder_stops(place, text):
    command(place, "squeue", "echo RUNNING")
    path = place / "lease"
    with Lease(path, "1", period=0.01) as first:
        path.write_text(text)
        assert holder_of(first.path) is None
        with Lease(path, "2", period=0.01, wait=0.05) as second:
            assert holder_of(second.path)["job"] == "2" and not first.held()
    assert not path.exists()


def test_a_work_directory_that_cannot_be_written_is_a_sentence(place):
    (place / "work").touch()
    with (
        pytest.raises(UserError, match=r"^work/lease "),
        Lease(Path("work/lease"), "1"),
    ):
        pass


def segment(*command: str) -> int:
    """The exit code of a segment in `work`."""
    start = [sys.executable, "-m", "seesaw.workflow.slurm.segments", "work", "--"]
    return subprocess.run([*start, *command]).returncode


def test_a_finished_command_counts_where_its_segment_cannot_be_noted(place, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    command(place, "squeue", "exit 0")
    (place / "work/segments.jsonl").mkdir(parents=True)
    assert segment("true") == 0


def test_the_process_that_failed_first_counts_and_not_what_srun_killed_for_it(place, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    command(place, "squeue", "exit 0")
    nodes = "for first in '1790000005 134' '1790000000 2'; do echo $first >> $SEESAW_FAILURES; done"
    assert segment("sh", "-c", f"{nodes}; exit 137") == 2
    assert segment("sh", "-c", "exit 137") == 137  # not by what the one before has left
    noted = [(one["status"], one["out_of_memory"]) for one in segments.records(place / "work")]
    assert noted == [(2, False), (137, True)]


def line(status: int, done: int | None, out_of_memory: bool = False, job: str = "1") -> str:
    record = dict(job=job, status=status, done=done, out_of_memory=out_of_memory)
    return json.dumps(record) + "\n"


def test_segments_without_progress_are_bounded(place):
    file = place / "segments.jsonl"
    file.write_text(line(75, 1) + line(75, 2) * 2)
    assert segments.stuck(place) is None
    file.write_text(line(75, 2) * 3)
    assert not lacks(segments.stuck(place), place, "3 jobs", "than 2", "`segment`")
    file.write_text(line(75, 2) * 2 + line(0, None))
    assert segments.stuck(place) is None


def test_memory_grows_by_recorded_kills_only(place):
    file = place / "segments.jsonl"
    assert segments.memory(1000, place) == 1000
    for job, asked in (("1", "1000"), ("2", "1500"), ("3", "9000")):
        ledger.note(Submission(job, "run", "mini/train_wildcards_a01_0", "", {"--mem": asked}))
    file.write_text(line(1, None) + line(137, None, True) + line(75, 4, job="3") + '{"half')
    assert segments.memory(1000, place) == 1500
    file.write_text(line(137, None, True) + line(137, None, True, job="2"))
    assert segments.memory(1000, place) == 2250
    assert segments.memory(4000, place) == 4000  # the site has learnt of it


@pytest.mark.parametrize("trace", ["segments.jsonl", "lease"])
def test_memory_grows_after_a_kill_of_which_the_queue_alone_told(place, trace):
    ledger.note(Submission("1", "run", "mini/train_wildcards_a01_0", "", {"--mem": "1000"}))
    holder = dict(job="1", host="n1", pid=1, id="x")
    (place / trace).write_text(json.dumps(holder | json.loads(line(1, None))))
    seen = {"1": {"state": "RUNNING", "since": 1}}
    (ledger.FOLDER / "run.json").write_text(json.dumps(seen))
    assert segments.memory(1000, place) == 1000
    seen["1"]["state"] = "OUT_OF_MEMORY"
    (ledger.FOLDER / "run.json").write_text(json.dumps(seen))
    assert segments.memory(1000, place) == 1500


def test_a_batch_job_of_the_users_own_is_not_requeued(place, monkeypatch, capfd):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    command(place, "squeue", "exit 0")
    command(place, "scontrol", 'echo "$@" > asked')
    ledger.note(Submission("8", "run", "mini/train_wildcards_a01_0", "", {}))
    assert segment("sh", "-c", "echo {} > work/interrupted.json; exit 75") == 75
    assert not (place / "asked").exists() and "SLURM job 7 " in capfd.readouterr().out


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING"])
def test_a_job_in_the_grace_time_of_a_preemption_requeues_itself(place, monkeypatch, state):
    ledger.note(Submission("7", "run", "mini/train_wildcards_a01_0", "", {}))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    command(place, "squeue", f'case "$*" in *%T*) echo {state};; esac')
    command(place, "scontrol", 'echo "$@" > asked; kill -TERM $PPID')  # as SLURM then does
    saves = "trap 'echo {} > work/interrupted.json; exit 75' TERM"
    toy = f"{saves}; sleep 0.5; kill -TERM $PPID; while :; do sleep 0.1; done"
    assert segment("sh", "-c", toy) == 75
    asked = place / "asked"
    assert asked.exists() is (state == "RUNNING")
    assert [r["status"] for r in segments.records(place / "work")] == [75]


def test_a_requeued_detection_deletes_nothing_where_its_code_was_edited(place, monkeypatch):
    ledger.note(Submission("7", "run", "mini/detect_wildcards_a01_0_a01", "before", {}))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    output, config = Path("detections.jsonl"), Path("a01.py")
    evaluation._keep_parts(output, "now", config)  # nothing is detected
    part = Path(".detections.jsonl.key.part")
    part.touch()
    evaluation._keep_parts(output, "before", config)
    assert not lacks(refusal(evaluation._keep_parts, output, "now", config), config, part)
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    evaluation._keep_parts(output, "now", config)
