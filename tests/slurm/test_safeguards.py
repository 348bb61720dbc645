"""Lease, requeue bounds and the watched squeue, against stand-ins for Slurm's commands."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw.cluster import ledger, sbatch, segments, squeue
from seesaw.cluster.lease import Lease
from seesaw.errors import UserError

BIN = Path(__file__).parents[2] / "workflow/bin"
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


def queue(place: Path, *rows: tuple[str, str, str]) -> None:
    """What squeue says: of each job its id, state and reason."""
    lines = [f"{job}|{state}|n1|run|{reason}|rule_train" for job, state, reason in rows]
    command(place, "squeue", "".join(f"echo '{line}';" for line in lines) or "true")


def watched(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call what stands before Slurm's command."""
    search = os.pathsep.join([str(BIN), os.environ["PATH"]])
    environment = {**os.environ, "PATH": search, **environment}
    return subprocess.run([name, *arguments], env=environment, text=True, capture_output=True)


def query(lost: str = "0", waiting: str = "600") -> dict[str, str]:
    told = watched("squeue", *QUERY, SEESAW_LOST_SECONDS=lost, SEESAW_WAITING_SECONDS=waiting)
    return dict(line.split("|") for line in told.stdout.splitlines())


def end(job: str, *lines: str) -> None:
    ledger.ENDS.mkdir(parents=True, exist_ok=True)
    (ledger.ENDS / job).write_text("".join(f"{line}\n" for line in lines))


def test_a_failing_squeue_answers_with_what_was_known(place):
    queue(place, ("1", "RUNNING", "None"), ("2", "PENDING", "Priority"))
    assert query() == {"1": "RUNNING", "2": "PENDING"}
    command(place, "squeue", "echo 'slurm_load_jobs error' >&2; exit 1")
    assert query() == {"1": "RUNNING", "2": "PENDING"}


def test_a_job_in_no_queue_counts_by_its_noted_end(place):
    queue(place, *((job, "RUNNING", "None") for job in "124"), ("3", "PREEMPTED", "None"))
    query()
    end("1", "75 9 n1", "0 3 n1")
    end("4", "0 3 n1", "1 3 n1")
    queue(place, ("3", "PREEMPTED", "None"))
    assert set(query("100").values()) == {"PENDING"}
    lost = {"1": "COMPLETED", "2": "ERROR", "3": "ERROR", "4": "ERROR"}
    assert query() == lost
    assert query("100") == lost


def test_a_job_that_ended_may_leave_the_queue(place):
    queue(place, ("1", "FAILED", "None"), ("2", "COMPLETED", "None"))
    query()
    queue(place)
    assert query() == {"1": "FAILED", "2": "COMPLETED"}


def test_a_job_of_an_earlier_call_counts_once_it_is_taken_over(place):
    command(place, "squeue", "echo '7|RUNNING|n1|before|None|rule_train'")
    assert query() == {}
    ledger.adopt("run", "7")
    assert query() == {"7": "RUNNING"}


def test_a_job_that_the_queue_forgot_before_it_was_asked(place):
    ledger.note(ledger.Submission("7", "run", "mini/speed", "", {}))
    queue(place)
    assert query("100") == {"7": "PENDING"}
    end("7", "0 3 n1")
    assert query() == {"7": "COMPLETED"}


def test_a_failed_node_is_remembered_when_its_job_waits_again(place):
    ledger.note(ledger.Submission("1", "run", "mini/speed", "", {}))
    queue(place, ("1", "NODE_FAIL", "None"))
    query("100")
    queue(place, ("1", "PENDING", "Priority"))
    query("100")
    assert sbatch.bad_nodes("mini/speed") == ["n1"]


def test_a_reason_that_does_not_end_is_kept_as_told(place):
    queue(place, ("1", "PENDING", "Priority"), ("2", "PENDING", "InvalidQOS"))
    query(waiting="0")
    query(waiting="0")
    known = json.loads((ledger.FOLDER / "run.json").read_text())
    assert "told" not in known["1"] and known["2"]["told"]


@pytest.mark.parametrize(
    ("reason", "told"),
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
def test_what_to_type_for_a_job_that_nothing_starts(reason, told):
    assert squeue.waits(reason, ["7"]) == told


SUBMIT = ("--parsable", "--job-name", "run", "--comment", "rule_train_wildcards_a01_0", "-t", "60")


def submit(state: str = "x", **environment: str) -> subprocess.CompletedProcess[str]:
    Path("prints.json").write_text(json.dumps({"value": {"train/a01/seed0": state}}))
    return watched(
        "sbatch", *SUBMIT, SEESAW_RUN="mini", SEESAW_FINGERPRINTS="prints.json", **environment
    )


def test_a_submission_is_noted_and_a_running_one_taken_over(place):
    queue(place)
    command(place, "sbatch", 'echo "$@" >> calls; echo 7')
    assert submit().stdout == "7\n"
    (noted,) = ledger.submitted()
    assert noted == ("7", "run", "mini/train_wildcards_a01_0", "x", {"-t": "60"})
    queue(place, ("7", "RUNNING", "None"))
    assert submit().stdout == "7\n"
    assert len(Path("calls").read_text().splitlines()) == len(ledger.submitted()) == 1
    changed = submit("y")
    assert changed.returncode == 1 and "`scancel 7`, then run the same command" in changed.stderr
    queue(place, ("7", "FAILED", "None"))
    assert submit("y").returncode == 0
    assert len(Path("calls").read_text().splitlines()) == len(ledger.submitted()) == 2


def test_a_submission_whose_answer_was_lost_is_found(place):
    command(place, "squeue", "echo '7|PENDING|n1|run|None|rule_train_wildcards_a01_0'")
    assert submit().stdout == "7\n"
    assert [s.job for s in ledger.submitted()] == ["7"]


@pytest.mark.parametrize("name", ["sinfo", "srun"])
def test_what_needs_the_controller_waits_for_it(place, name):
    command(place, "scontrol", "[ -e up ] && echo 'Slurmctld(primary) at n0 is UP'; touch up")
    command(place, name, 'echo "$@" >> calls; [ -e up ]')
    assert watched(name, "-x", SEESAW_PAUSE_SECONDS="0.1").returncode == 0
    assert Path("calls").read_text() == "-x\n"


def test_a_submission_waits_for_the_controller(place):
    queue(place)
    gone = "echo 'sbatch: error: Unable to contact slurm controller' >&2; touch up; exit 1"
    command(place, "sbatch", f"[ -e up ] || {{ {gone}; }}; echo 7")
    assert submit(SEESAW_PAUSE_SECONDS="0.1").stdout == "7\n"


def test_what_slurm_refuses_is_passed_on(place):
    queue(place)
    command(place, "sbatch", "echo 'sbatch: error: invalid account' >&2; exit 1")
    done = submit()
    assert (done.returncode, done.stderr) == (1, "sbatch: error: invalid account\n")


def test_a_node_is_excluded_only_for_what_may_be_its_fault(place):
    key = "mini/train_wildcards_a01_0"
    statuses = {"1": "1 5 n1", "2": "2 5 n2", "3": "75 5 n3", "4": "134 5 n4", "5": "137 5 n5"}
    for job, line in statuses.items():
        ledger.note(ledger.Submission(job, "run", key, "", {}))
        end(job, line)
    ledger.note(ledger.Submission("6", "run", key, "", {"--nodes": "2"}))
    end("6", "1 5 n6")
    assert sbatch.bad_nodes(key) == ["n4", "n1"]
    assert sbatch.bad_nodes("mini/train_wildcards_a02_0") == []
    queue(place)
    command(place, "sbatch", 'echo "$@" >> calls; [ $1 != --exclude=n4,n1 ] && echo 7')
    assert submit().stdout == "7\n"  # there is no other node
    assert len(Path("calls").read_text().splitlines()) == 2


def test_any_other_call_is_slurms(place):
    for name in ("squeue", "sbatch"):
        command(place, name, 'echo "$@"')
        assert watched(name, "-h").stdout == "-h\n"


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
