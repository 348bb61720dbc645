"""Submissions, queries, lease and requeue bounds, against stand-ins for Slurm's commands."""

import asyncio
import json
import logging
import os
import platform
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm_jobstep as official
from facts import lacks
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

import snakemake_executor_plugin_seesaw_slurm_jobstep as jobstep
from seesaw.errors import UserError
from seesaw.workflow.slurm import ledger, queue, segments
from seesaw.workflow.slurm.lease import Lease
from seesaw.workflow.slurm.ledger import Submission
from snakemake_executor_plugin_seesaw_slurm import Executor, ExecutorSettings, no_cluster


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with a `bin` that is searched first."""
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    python = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), python, "/usr/bin", "/bin"]))
    monkeypatch.setenv(ledger.SCALE, "mini")
    monkeypatch.setattr(queue, "PAUSE", 0.1)
    monkeypatch.setattr(queue, "STATES", {})
    # Not everywhere is a SLURM, which an executor looks for; its own test follows at the end.
    monkeypatch.setattr("snakemake_executor_plugin_seesaw_slurm.no_cluster", lambda: None)
    return tmp_path


def command(place: Path, name: str, script: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def listed(place: Path, *rows: tuple[str, str, str], name: str = "run") -> None:
    """What squeue says: of each job its id, state and reason."""
    lines = [
        f"{job}|{state}|n1|{name}|{reason}|rule_train_wildcards_a01_0"
        for job, state, reason in rows
    ]
    command(place, "squeue", "".join(f"echo '{line}';" for line in lines) or "true")


class Resources(dict):
    __getattr__ = dict.get


def job(fingerprint: str = "x") -> SimpleNamespace:
    """A training, as Snakemake hands it to an executor."""
    return SimpleNamespace(
        name="train",
        jobid=1,
        rule=SimpleNamespace(name="train"),
        wildcards=["a01", "0"],
        params={"fingerprint": fingerprint},
        resources=Resources(runtime=60, slurm_partition="gpu", gres=""),
        threads=1,
        is_group=lambda: False,
        log_info=lambda: None,
    )


class Alone(Executor):
    """The executor without a workflow, which keeps what it reports of each of Slurm's jobs."""

    def __init__(self):
        settings = ExecutorSettings(status_command="squeue", delete_logfiles_older_than=0)
        self.workflow = SimpleNamespace(executor_settings=settings, workdir_init=Path.cwd())
        self.logger = logging.getLogger("executor")
        self.__post_init__()
        self.run_uuid = "run"
        self._fallback_account_arg = ""
        self.reported: dict[str | None, str] = {}
        self.errors: list[str] = []
        self.active: list[SubmittedJobInfo] = []

    def format_job_exec(self, job) -> str:
        return "true"

    def report_job_submission(self, job_info) -> None:
        self.active.append(job_info)

    def report_job_success(self, job_info) -> None:
        self.reported[job_info.external_jobid] = "success"

    def report_job_error(self, job_info, msg=None, **_) -> None:
        self.reported[job_info.external_jobid] = "error"
        self.errors.append(msg)

    def submit(self, fingerprint: str = "x") -> str | None:
        """Submit the training; the id of its job in Slurm, None if there is none."""
        before = len(self.active)
        self.run_job(job(fingerprint))
        return self.active[-1].external_jobid if len(self.active) > before else None

    def watching(self, *ids: str) -> "Alone":
        logs = {"slurm_logfile": Path("log")}
        self.active = [SubmittedJobInfo(job(), external_jobid=i, aux=logs) for i in ids]
        return self

    def ask(self) -> dict[str | None, str]:
        """Ask once for all active jobs: `active`, or what was reported of them so far."""

        async def still() -> list[SubmittedJobInfo]:
            return [info async for info in self.check_active_jobs(self.active)]

        self.active = asyncio.run(still())
        return self.reported | {info.external_jobid: "active" for info in self.active}


@pytest.fixture
def lost(monkeypatch):
    """Sets after how many seconds a job counts as lost."""
    return lambda seconds: monkeypatch.setattr(queue, "LOST", seconds)


def end(job: str, *lines: str) -> None:
    ledger.ENDS.mkdir(parents=True, exist_ok=True)
    (ledger.ENDS / job).write_text("".join(f"{line}\n" for line in lines))


def test_a_failing_squeue_changes_nothing(place, caplog):
    listed(place, ("1", "RUNNING", "None"), ("2", "PENDING", "Priority"))
    executor = Alone().watching("1", "2")
    assert executor.ask() == {"1": "active", "2": "active"}
    before = dict(executor._watch.known)
    command(place, "squeue", "echo 'slurm_load_jobs error' >&2; exit 1")
    assert executor.ask() == {"1": "active", "2": "active"}
    assert executor._watch.known == before
    assert "squeue failed (slurm_load_jobs error)" in caplog.text


def test_the_display_knows_what_waits(place):
    executor = Alone().watching("7")
    executor.run_job_pre(job())
    assert queue.waiting(1) and not queue.waiting(2)
    for state, waits in (("PENDING", True), ("RUNNING", False), ("REQUEUED", True)):
        listed(place, ("7", state, "None"))
        executor.ask()
        assert queue.waiting(1) is waits


def test_a_job_in_no_queue_counts_by_its_noted_end(place, lost):
    listed(place, *((job, "RUNNING", "None") for job in "124"), ("3", "PREEMPTED", "None"))
    executor = Alone().watching(*"1234")
    executor.ask()
    end("1", "75 9 n1", "0 3 n1")
    end("4", "0 3 n1", "1 3 n1")
    listed(place, ("3", "PREEMPTED", "None"))
    lost(100)
    assert set(executor.ask().values()) == {"active"}
    lost(0)
    reported = {"1": "success", "2": "error", "3": "error", "4": "error"}
    assert executor.ask() == reported
    lost(100)
    assert executor.ask() == reported


def test_a_job_that_ended_may_leave_the_queue(place):
    listed(place, ("1", "FAILED", "None"), ("2", "COMPLETED", "None"))
    executor = Alone().watching("1", "2")
    executor.ask()
    listed(place)
    assert executor.ask() == {"1": "error", "2": "success"}
    assert executor.errors == ["SLURM job 1 ended as FAILED. "]


def test_a_job_of_an_earlier_call_is_taken_over_and_watched(place, caplog):
    ledger.note(Submission("7", "before", "mini/train_wildcards_a01_0", "x", {}))
    listed(place, ("7", "RUNNING", "None"), name="before")
    executor = Alone()
    assert executor.submit() == "7" and len(ledger.submitted()) == 1
    assert "job 7 of an earlier call is RUNNING and is taken over" in caplog.text
    assert executor.ask() == {"7": "active"}
    listed(place, ("7", "COMPLETED", "None"), name="before")
    assert executor.ask() == {"7": "success"}


def test_a_job_that_the_queue_forgot_before_it_was_asked(place, lost):
    listed(place)
    lost(100)
    executor = Alone().watching("7")
    assert executor.ask() == {"7": "active"}
    end("7", "0 3 n1")
    lost(0)
    assert executor.ask() == {"7": "success"}


def test_a_failed_node_is_remembered_when_its_job_waits_again(place):
    ledger.note(Submission("1", "run", "mini/speed", "", {}))
    listed(place, ("1", "NODE_FAIL", "None"))
    executor = Alone().watching("1")
    assert executor.ask() == {"1": "active"}
    listed(place, ("1", "PENDING", "Priority"))
    assert executor.ask() == {"1": "active"}
    assert ledger.bad_nodes("mini/speed") == ["n1"]


def test_a_reason_that_does_not_end_is_said_once(place, monkeypatch):
    monkeypatch.setattr(queue, "WAITING", 0)
    listed(place, ("1", "PENDING", "Priority"), ("2", "PENDING", "InvalidQOS"))
    said: list[str] = []
    watch = queue.Watch("run", said.append)
    for _ in range(3):
        watch.states(["1", "2"])
    (sentence,) = said
    assert sentence.startswith("job 2 waits with the reason InvalidQOS")
    known = json.loads((ledger.FOLDER / "run.json").read_text())
    assert not known["1"]["reported"] and known["2"]["reported"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            "JobHeldUser",
            "job 7 waits with the reason JobHeldUser: `scontrol release 7` lets them go on; "
            "or `scancel 7` to submit anew",
        ),
        (
            "InvalidQOS",
            "job 7 waits with the reason InvalidQOS: `scontrol show job 7` tells more; "
            "correct site.yaml and `scancel 7` to submit anew",
        ),
        (
            "ReqNodeNotAvail, UnavailableNodes:n1",
            "job 7 waits with the reason ReqNodeNotAvail, UnavailableNodes:n1: "
            "`sinfo -R` tells what is wrong with the nodes; or `scancel 7` to submit anew",
        ),
    ],
)
def test_what_to_type_for_a_job_that_nothing_starts(reason, expected):
    assert queue.waits(reason, ["7"]) == expected


def test_a_submission_is_noted_and_a_running_one_taken_over(place):
    listed(place)
    command(place, "sbatch", 'echo "$@" >> calls; echo 7')
    executor = Alone()
    assert executor.submit() == "7"
    (noted,) = ledger.submitted()
    assert noted == ("7", "run", "mini/train_wildcards_a01_0", "x", {"-t": "60"})
    listed(place, ("7", "RUNNING", "None"))
    assert executor.submit() == "7"
    assert len(Path("calls").read_text().splitlines()) == len(ledger.submitted()) == 1
    assert executor.submit("y") is None
    assert "`scancel 7`, then run the same command" in executor.errors[-1]
    listed(place, ("7", "FAILED", "None"))
    assert executor.submit("y") == "7"
    assert len(Path("calls").read_text().splitlines()) == len(ledger.submitted()) == 2


def test_a_submission_whose_answer_was_lost_is_found(place):
    listed(place, ("7", "PENDING", "None"))
    assert Alone().submit() == "7"
    assert [s.job for s in ledger.submitted()] == ["7"]


def test_a_step_waits_for_the_controller(place, monkeypatch):
    command(place, "squeue", "[ -e up ]")
    pauses: list[float] = []
    clock = SimpleNamespace(
        monotonic=time.monotonic, sleep=lambda s: pauses.append(s) or Path("up").touch()
    )
    monkeypatch.setattr(queue, "time", clock)
    monkeypatch.setattr(official.Executor, "run_job", lambda self, job: pauses.append(job))
    for _ in range(2):
        jobstep.Executor.run_job(object.__new__(jobstep.Executor), "srun")
    assert pauses == [queue.PAUSE, "srun", "srun"]


def test_a_submission_waits_for_the_controller(place, caplog):
    listed(place)
    gone = "echo 'sbatch: error: Unable to contact slurm controller' >&2; touch up; exit 1"
    command(place, "sbatch", f"[ -e up ] || {{ {gone}; }}; echo 7")
    executor = Alone()
    assert executor.submit() == "7" and not executor.errors
    assert "SLURM does not answer; mini/train_wildcards_a01_0 waits for it" in caplog.text


def test_a_submission_that_waits_ends_when_snakemake_is_cancelled(place):
    command(place, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    executor = Alone()
    executor._cancelled.set()
    assert executor.submit() is None and len(executor.errors) == 1


def test_what_slurm_refuses_is_passed_on(place):
    listed(place)
    command(place, "sbatch", "echo 'sbatch: error: invalid account' >&2; exit 1")
    executor = Alone()
    assert executor.submit() is None
    assert "sbatch: error: invalid account" in executor.errors[0]


def test_an_exception_in_a_submission_fails_the_job_instead_of_hanging(place, monkeypatch):
    monkeypatch.setattr(queue, "mine", lambda: 1 / 0)
    executor = Alone()
    assert executor.submit() is None
    assert executor.errors == ["The submission failed: ZeroDivisionError: division by zero. "]


def test_a_half_written_end_is_left_out(place):
    end("1", "1 5 n1", "0 3")
    assert [e.status for e in ledger.ends("1")] == [1]


def test_a_node_is_excluded_only_for_what_may_be_its_fault(place):
    key = "mini/train_wildcards_a01_0"
    statuses = {"1": "1 5 n1", "2": "2 5 n2", "3": "75 5 n3", "4": "134 5 n4", "5": "137 5 n5"}
    for job, line in statuses.items():
        ledger.note(Submission(job, "run", key, "", {}))
        end(job, line)
    ledger.note(Submission("6", "run", key, "", {"--nodes": "2"}))
    end("6", "1 5 n6")
    assert ledger.bad_nodes(key) == ["n4", "n1"]
    assert ledger.bad_nodes("mini/train_wildcards_a02_0") == []
    listed(place)
    command(place, "sbatch", 'echo "$@" >> calls; case "$*" in *--exclude=*) exit 1;; esac; echo 7')
    executor = Alone()
    assert executor.submit() == "7" and not executor.errors  # there is no other node
    first, second = Path("calls").read_text().splitlines()
    assert sorted(re.search("--exclude=(\\S+)", first)[1].split(",")) == ["n1", "n4"]
    assert "--exclude" not in second


def test_a_running_job_keeps_its_lease(place):
    command(place, "squeue", "echo RUNNING")
    path = place / "lease"
    with (
        Lease(path, "1", period=0.01),
        pytest.raises(UserError, match=r"job 1 on .* does this already.*scancel 1"),
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


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"job": 1}', '{"job": "1"}'])
def test_a_damaged_lease_is_replaced_and_its_holder_stops(place, text):
    command(place, "squeue", "echo RUNNING")
    path = place / "lease"
    with Lease(path, "1", period=0.01) as first:
        path.write_text(text)
        assert first.holder() is None
        with Lease(path, "2", period=0.01, wait=0.05) as second:
            assert second.holder() == "2" and not first.held()
    assert not path.exists()


def line(status: int, done: int | None, out_of_memory: bool = False) -> str:
    record = dict(status=status, done=done, out_of_memory=out_of_memory)
    return json.dumps(record) + "\n"


def test_segments_without_progress_are_bounded(place):
    file = place / "segments.jsonl"
    file.write_text(line(75, 1) + line(75, 2) * 2)
    assert segments.stuck(place) is None
    file.write_text(line(75, 2) * 3)
    assert not lacks(segments.stuck(place), place, "3 jobs in a row", "further than 2", "`segment`")
    file.write_text(line(75, 2) * 2 + line(0, None))
    assert segments.stuck(place) is None


def test_memory_grows_by_recorded_kills_only(place):
    file = place / "segments.jsonl"
    assert segments.memory(1000, place) == 1000
    file.write_text(line(1, None) + line(137, None, True) + line(75, 4) + '{"half')
    assert segments.memory(1000, place) == 1500


def test_without_a_cluster_nothing_begins(place, monkeypatch):
    listed(place)
    for name in ("sbatch", "scancel"):
        command(place, name, "exit 0")
    assert no_cluster() is None
    command(place, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert no_cluster() is None  # it comes back
    command(place, "squeue", "echo 'Could not establish a configuration source' >&2; exit 1")
    assert "configuration source" in no_cluster()
    monkeypatch.setenv("PATH", str(place / "empty"))
    assert no_cluster().startswith("sbatch is not installed")
