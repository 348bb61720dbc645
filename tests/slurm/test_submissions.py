"""Jobs are submitted once, wait for the controller and avoid bad nodes, against stand-ins."""

import logging
import os
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm_jobstep as official
from facts import lacks
from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from stand_ins import Alone, command, end, job, listed

import snakemake_executor_plugin_seesaw_slurm_jobstep as jobstep
from seesaw.workflow.slurm import efficiency, ledger, queue
from seesaw.workflow.slurm.ledger import Submission
from snakemake_executor_plugin_seesaw_slurm import Executor, no_cluster


class Step(jobstep.Executor):
    """The executor of a job's step without a workflow."""

    def __init__(self):
        settings = jobstep.ExecutorSettings()
        self.workflow = SimpleNamespace(executor_settings=settings)
        self.logger = logging.getLogger("step")
        self.__post_init__()

    def format_job_exec(self, job) -> str:
        return "true"

    def report_job_submission(self, job_info) -> None: ...

    def report_job_success(self, job_info) -> None: ...


@pytest.fixture(autouse=True)
def empty_queue(place):
    """Until a test fills it."""
    listed(place)


def test_a_submission_is_noted_and_a_running_one_taken_over(place):
    command(place, "sbatch", 'echo "$@" >> calls; echo 7')
    executor = Alone()
    assert executor.submit() == "7"
    (noted,) = ledger.submitted()
    what = "mini/train_wildcards_a01_0", "x", {"-t": "60"}
    assert noted == ("7", "run", *what, str(place.resolve()))
    listed(place, ("7", "RUNNING", "None"))
    assert executor.submit() == "7"
    assert len(Path("calls").read_text().splitlines()) == len(ledger.submitted()) == 1
    assert executor.submit("y") is None
    assert "`scancel 7`" in executor.errors[-1]
    listed(place, ("7", "FAILED", "None"))
    assert executor.submit("y") == "7"
    assert len(Path("calls").read_text().splitlines()) == len(ledger.submitted()) == 2


def test_a_job_of_the_folder_that_was_copied_is_not_taken_over(place, monkeypatch):
    command(place, "sbatch", "echo 7")
    assert Alone().submit() == "7"
    listed(place, ("7", "RUNNING", "None"))
    shutil.copytree(place, place / "copy", ignore=shutil.ignore_patterns("copy"))
    monkeypatch.chdir(place / "copy")
    command(place, "sbatch", "echo 8")
    assert Alone().submit() == "8"
    moved = (place / "copy").rename(place / "moved")
    monkeypatch.chdir(moved)
    listed(place, ("8", "RUNNING", "None"))
    command(place, "sbatch", "echo 9")
    assert Alone().submit() == "8"


def test_a_submission_that_cannot_be_noted_is_one_all_the_same(place, capsys):
    command(place, "sbatch", "echo 7")
    ledger.SUBMITTED.mkdir(parents=True)  # it cannot be written
    executor = Alone()
    assert executor.submit() == "7" and not executor.errors
    assert not lacks(capsys.readouterr().err, "job 7", ledger.SUBMITTED)


def test_a_submission_whose_answer_was_lost_is_found(place):
    listed(place, ("7", "PENDING", "None"))
    assert Alone().submit() == "7"
    assert [s.job for s in ledger.submitted()] == ["7"]


def test_a_step_waits_for_the_controller(place, monkeypatch):
    gone = "echo 'Unable to contact slurm controller' >&2; exit 1"
    command(place, "squeue", f"[ -e up ] || {{ {gone}; }}")
    pauses: list[float] = []
    clock = SimpleNamespace(
        monotonic=time.monotonic, sleep=lambda s: pauses.append(s) or Path("up").touch()
    )
    monkeypatch.setattr(queue, "time", clock)
    monkeypatch.setattr(official.Executor, "run_job", lambda self, job: pauses.append(job))
    for _ in range(2):
        jobstep.Executor.run_job(object.__new__(jobstep.Executor), "srun")
    assert pauses == [queue.PAUSE, "srun", "srun"]
    command(place, "squeue", "echo 'Could not establish a configuration source' >&2; exit 1")
    jobstep.Executor.run_job(object.__new__(jobstep.Executor), "srun")  # srun says what is wrong
    assert pauses == [queue.PAUSE, "srun", "srun", "srun"]


def test_a_step_finds_slurms_configuration_in_its_own_place(place, monkeypatch):
    command(place, "srun", 'echo "$SLURM_CONF ${SLURM_NTASKS-}" > asked')
    monkeypatch.setenv("SLURM_CONF", "/opt/slurm.conf")
    monkeypatch.setenv("SLURM_NTASKS", "7")
    Step().run_job(job())
    assert (place / "asked").read_text() == "/opt/slurm.conf \n"


def test_snakemake_in_a_job_finds_slurms_configuration_in_its_own_place(monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "/opt/slurm.conf")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(RemoteExecutor, "__init__", lambda *_: None)
    Executor(None, logging.getLogger())
    assert os.environ["SLURM_CONF"] == "/opt/slurm.conf" and "SLURM_JOB_ID" not in os.environ


@pytest.mark.parametrize(
    "said", ["Unable to contact slurm controller", "Zero Bytes were transmitted or received"]
)
def test_a_submission_waits_for_the_controller(place, caplog, said):
    gone = f"echo 'sbatch: error: {said}' >&2; touch up; exit 1"
    command(place, "sbatch", f"[ -e up ] || {{ {gone}; }}; echo 7")
    executor = Alone()
    assert executor.submit() == "7" and not executor.errors
    assert "mini/train_wildcards_a01_0" in caplog.text


def test_a_submission_waits_while_the_queue_is_full(place, caplog, monkeypatch):
    monkeypatch.setattr(queue, "PATIENCE", 0.3)  # shorter than the wait
    full = "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; echo >> calls; exit 1"
    command(place, "sbatch", f'[ "$(cat calls 2>/dev/null | wc -l)" = 2 ] || {{ {full}; }}; echo 7')
    executor = Alone()
    assert executor.submit() == "7" and not executor.errors
    assert caplog.text.count("mini/train_wildcards_a01_0 waits") == 1


def test_a_submission_that_waits_ends_when_snakemake_is_cancelled(place):
    command(place, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    executor = Alone()
    executor._cancelled.set()
    assert executor.submit() is None and len(executor.errors) == 1


def test_cancelling_reaches_jobs_whose_state_is_just_asked_for(place):
    """By the call's name and, for those of an earlier call, by their ids."""
    command(place, "scancel", 'echo "$@" >> calls')
    command(place, "squeue", "exit 1")
    executor = Alone().watching("7")
    executor._watch.say = lambda said: executor.cancel_jobs([])  # squeue has failed
    executor.ask()
    executor.cancel_jobs([])  # not the jobs of a question that has been answered
    first, *named = Path("calls").read_text().splitlines()
    assert first.startswith("7") and ["--name run" in line for line in named] == [True, True]


def test_one_job_that_slurm_has_forgotten_does_not_keep_the_others(place, caplog):
    command(place, "scancel", 'echo "$@" >> calls; echo "Invalid job id" >&2; exit 1')
    executor = Alone().watching("7")
    executor.cancel_jobs(executor.active)
    assert "--name run" in Path("calls").read_text() and "Invalid job" in caplog.text


def test_what_a_job_waits_for_outlives_a_call_whose_cancellation_it_escapes(place):
    command(place, "scancel", "exit 1")
    (place / ".snakemake").mkdir()
    cancelled, ended = Alone(), Alone()
    kept, gone = Path(cancelled.tmpdir), Path(ended.tmpdir)
    cancelled.cancel()
    ended.shutdown()
    assert kept.is_dir() and not gone.exists()


def test_what_slurm_refuses_is_passed_on(place):
    command(place, "sbatch", "echo 'sbatch: error: invalid account' >&2; exit 1")
    executor = Alone()
    assert executor.submit() is None
    assert "invalid account" in executor.errors[0]


def test_an_exception_in_a_submission_fails_the_job_instead_of_hanging(place, monkeypatch):
    monkeypatch.setattr(queue, "mine", lambda: 1 / 0)
    executor = Alone()
    assert executor.submit() is None
    (error,) = executor.errors
    assert "ZeroDivisionError" in error


def test_a_submission_that_breaks_leaves_nothing_to_the_next(place, monkeypatch):
    monkeypatch.setattr("snakemake_executor_plugin_slurm.Executor.run_job", lambda *_: 1 / 0)
    executor = Alone()
    assert executor.submit() is None and len(executor.errors) == 1
    listed(place, ("7", "RUNNING", "None"))
    assert executor.submit() == "7"
    assert len(ledger.submitted()) == 1


def test_a_node_is_excluded_only_for_what_may_be_its_fault(place):
    key = "mini/train_wildcards_a01_0"
    statuses = {"1": "1 5 n1", "2": "2 5 n2", "3": "75 5 n3", "4": "134 5 n4", "5": "137 5 n5"}
    for number, line in statuses.items():
        ledger.note(Submission(number, "run", key, "", {}))
        end(number, line)
    ledger.note(Submission("6", "run", key, "", {"--nodes": "2"}))
    end("6", "1 5 n6")
    assert ledger.bad_nodes(key) == ["n4", "n1"]
    assert ledger.bad_nodes("mini/train_wildcards_a02_0") == []
    command(place, "sbatch", 'echo "$@" >> calls; case "$*" in *--exclude=*) exit 1;; esac; echo 7')
    executor = Alone()
    assert executor.submit() == "7" and not executor.errors  # there is no other node
    first, second = Path("calls").read_text().splitlines()
    assert sorted(re.search("--exclude=(\\S+)", first)[1].split(",")) == ["n1", "n4"]
    assert "--exclude" not in second


def test_an_account_needs_no_accounting(place):
    for name in ("sacct", "sacctmgr", "sshare"):
        command(place, name, "echo 'Connection refused' >&2; exit 1")
    command(place, "sbatch", 'echo "$@" > calls; echo 7')
    assert Alone().submit() == "7"
    assert " -A lab " in Path("calls").read_text()


def test_gpus_are_asked_for_as_each_of_slurms_schedulers_knows_them(place):
    command(place, "sbatch", 'echo "$@" > calls; echo 7')
    training = job()
    training.resources |= {"gpu": 2, "gpu_model": "a100", "nodes": 1}
    Alone().run_job(training)
    assert " --gres=gpu:a100:2 " in (said := Path("calls").read_text()) and "--gpus" not in said
    (noted,) = ledger.submitted()
    assert efficiency.gpus(noted.asked) == 2
    command(place, "srun", 'echo "$@" > calls')  # of the job's step
    Step().run_job(training)
    assert " --gres=gpu:a100:2 " in (said := Path("calls").read_text()) and "--gpus" not in said
    training.resources["gres"] = "lscratch:9"  # a site's own
    Step().run_job(training)
    assert " --gres=lscratch:9,gpu:a100:2 " in Path("calls").read_text()


def test_a_site_without_job_arrays_is_as_good_and_arrays_are_refused(place):
    command(place, "scontrol", "echo 'MaxArraySize = 0'")
    command(place, "sbatch", "echo 7")
    assert Alone().submit() == "7"
    with pytest.raises(WorkflowError, match="array-jobs"):
        Alone(array_jobs="train")


def test_without_a_cluster_nothing_begins(place, monkeypatch):
    for name in ("sbatch", "scancel"):
        command(place, name, "exit 0")
    assert no_cluster() is None
    command(place, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert no_cluster() is None  # it comes back
    command(place, "squeue", "echo 'Could not establish a configuration source' >&2; exit 1")
    assert "configuration source" in no_cluster()
    monkeypatch.setenv("PATH", str(place / "empty"))
    assert "sbatch" in no_cluster()
