"""What a run shows: jobs by name, true counts, the end of a failed log, and how to go on."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from facts import lacks
from repository import REPOSITORY
from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_rich import events
from waiting import wait_until

from seesaw.core import paths
from seesaw.core.yaml import read_yaml
from seesaw.workflow import rates
from seesaw.workflow.slurm import queue
from snakemake_logger_plugin_seesaw import TAIL, TOTAL, Events

SNAKEFILE = """
from seesaw.workflow.slurm import controller

rule all:
    input: expand("{n}.out", n=[1, 2])

rule make:
    output: "{n}.out"
    log: "{n}.log"
    message: "Make {wildcards.n}"
    shell: "for i in $(seq 500); do echo line $i; done > {log}; COMMAND"

onerror:
    controller.stopped(log)
"""


def start(folder, command, *options):
    (folder / "Snakefile").write_text(SNAKEFILE.replace("COMMAND", command))
    words = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2"]
    return subprocess.Popen(
        [*words, "--logger", "seesaw", "--show-failed-logs", "--keep-going", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_shows_no_logs(tmp_path):
    process = start(tmp_path, "sleep 60")
    wait_until(lambda: len(list(tmp_path.glob("*.log"))) == 2)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Make 1" in said and "Make 2" in said
    assert "command again" in said and "line 5" not in said
    assert len(said.splitlines()) < 30


@pytest.mark.slow
def test_of_a_failed_job_the_end_of_its_log_is_shown(tmp_path):
    process = start(tmp_path, "[ {wildcards.n} = 1 ] && touch {output}")
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "command again" not in said
    assert "done: Make 1" in said and "failed: Make 2" in said
    assert said.count("| line ") == TAIL and "| line 500" in said
    assert "2.log" in said


@pytest.mark.slow
@pytest.mark.parametrize(("options", "failure"), [(["-q"], True), (["-q", "all"], False)])
def test_a_quiet_run_tells_of_failures_or_nothing(tmp_path, options, failure):
    process = start(tmp_path, "[ {wildcards.n} = 1 ] && touch {output}", *options)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "begun: " not in said and "done: " not in said
    assert ("failed: Make 2" in said) == failure and (failure or not said.strip())


@pytest.fixture
def states(monkeypatch):
    """The states of SLURM's jobs by Snakemake's number."""
    monkeypatch.setattr(queue, "STATES", made := {})
    return made


@pytest.fixture
def shown(states):
    """The events of a run with two trainings and a table, of which nothing has begun."""
    console, progress = Console(file=io.StringIO()), Progress()
    made = Events(console=console, progress=progress, live_display=Live(console=console))
    made.handle_run_info(events.RunInfo({"train": 2, "table": 1}, 3))
    yield made
    made.close()


def begin(shown, number, rule="train", log="x.log"):
    log = [str(log)]
    shown.handle_job_info(events.JobInfo(number, rule, 1, log=log, rule_msg=f"{rule} {number}"))


def active(shown):
    tasks = shown.progress_display.rule_tasks
    return {name: shown.progress.tasks[task].fields["active"] for name, task in tasks.items()}


def test_what_runs_is_counted(shown):
    assert active(shown) == {TOTAL: 0, "train": 0, "table": 0}
    begin(shown, 1)
    begin(shown, 2)
    assert active(shown) == {TOTAL: 2, "train": 2, "table": 0}
    shown.handle_job_error(events.JobError(1))
    assert active(shown)[TOTAL] == active(shown)["train"] == 1
    begin(shown, 1)  # again
    shown.handle_job_finished(events.JobFinished(2))
    assert active(shown)[TOTAL] == active(shown)["train"] == 1


def test_the_time_left(shown, monkeypatch):
    monkeypatch.setenv("SEESAW_WORKFLOW_SCALE", "mini")
    minutes = rates.assumed().scales["mini"].minutes
    stated = (2 * minutes["train"] + minutes["table"]) / 60
    assert shown.hours_left() == (pytest.approx(stated), True)
    shown.seconds["train"] = [7200.0]
    shown.rule_counts["train"]["completed"] = 1
    shown.begun -= 7200.0  # one after another
    assert shown.hours_left()[0] == pytest.approx(2 + minutes["table"] / 60, rel=1e-3)
    shown.begun += 3600.0  # two at once
    assert shown.hours_left()[0] == pytest.approx(1 + minutes["table"] / 120, rel=1e-3)


def test_without_a_stated_cost_no_time_is_reported(shown, monkeypatch):
    monkeypatch.setenv("SEESAW_WORKFLOW_SCALE", "paper")
    assert shown.hours_left()[1] is False
    assert shown.standing() == "0 of 3 jobs"
    begin(shown, 3, "table")
    shown.seconds["table"] = [7200.0]  # known of tables, not of trainings
    assert "over 2 h" in shown.standing()
    begin(shown, 1)
    assert "left" not in shown.standing()


def test_a_failed_job_takes_no_more_time_until_it_begins_again(shown, monkeypatch):
    monkeypatch.setattr("snakemake_logger_plugin_seesaw._stated", {"train": 3600.0, "table": 0}.get)
    assert shown.hours_left() == (pytest.approx(2), True)
    begin(shown, 1)
    shown.handle_job_error(events.JobError(1))
    assert shown.hours_left() == (pytest.approx(1), True) and "1 failed" in shown.standing()
    begin(shown, 1)
    assert shown.hours_left()[0] > 1.9 and "failed" not in shown.standing()


def test_a_requeued_job_has_run_for_all_of_its_segments(shown, states):
    states[1] = "RUNNING"
    begin(shown, 1)
    job = shown.running[1]
    job.begun -= 7200.0
    for state in ("PENDING", "RUNNING"):
        states[1] = state
        shown.__rich__()
    assert job.took(job.begun + 60.0) == pytest.approx(7260.0, abs=5)
    states[1] = "COMPLETED"
    shown.handle_job_finished(events.JobFinished(1))
    assert shown.seconds["train"] == [pytest.approx(7200.0, abs=5)]


def text(shown):
    return shown.console.file.getvalue()


def test_what_waits_in_slurms_queue_does_not_run(shown, states, tmp_path):
    states |= {1: "PENDING", 2: "PENDING"}
    log = tmp_path / "x.log"
    log.write_text("of an earlier attempt, 1 min left\n")
    begin(shown, 1, log=log)
    begin(shown, 2, log=log)
    assert "submitted: train 1" in text(shown) and "begun" not in text(shown)
    shown.__rich__()
    assert active(shown)[TOTAL] == 0 and "2 in SLURM" in shown.standing()
    submitted = shown.running[1].begun = shown.running[1].begun - 7200.0
    states[1] = "RUNNING"
    shown.__rich__()
    assert active(shown)[TOTAL] == 1 and "1 in SLURM" in shown.standing()
    assert shown.running[1].begun > submitted + 7000  # the time in the queue is none of the work
    states[1] = "PENDING"  # requeued
    shown.__rich__()
    assert active(shown)[TOTAL] == 0


@pytest.fixture
def unstated(monkeypatch):
    """No cost of a training is stated; a table takes a minute."""
    monkeypatch.setattr("snakemake_logger_plugin_seesaw._stated", {"table": 60.0}.get)


def test_a_jobs_log_says_how_long_it_takes(shown, unstated, tmp_path):
    """Two trainings, of which one runs."""
    log = tmp_path / "x.log"
    log.write_text("100 of 5,000 images, 9 min left\n120 of 5,000 images, 1,200 min left\nx\n")
    begin(shown, 1, log=log)
    assert shown.hours_left() == (pytest.approx(2 * 20 + 1 / 60, rel=1e-3), True)
    begin(shown, 2, log=log)
    assert shown.hours_left() == (pytest.approx(20 + 1 / 120, rel=1e-3), True)


def test_a_trainings_run_log_says_how_long_it_takes(shown, unstated, monkeypatch, tmp_path):
    """1,000 iterations of 0.5 s, of which 280 are done; an earlier attempt's log says nothing."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    work = tmp_path / "work/mini/a01/seed0/0123"
    work.mkdir(parents=True)
    written = {"run": {}}, {"attempt": 1, "iter": 0, "iterations": 1000}, {"iter": 280, "time": 0.5}
    (work / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
    begin(shown, 1, log="logs/mini/train/a01/seed0.log")
    assert shown.hours_left() == (pytest.approx(2 * 0.1 + 1 / 60, rel=1e-3), True)
    os.utime(work / "log.jsonl", (0, 0))
    begin(shown, 1, log="logs/mini/train/a01/seed0.log")
    assert shown.hours_left()[1] is False


def test_why_slurm_ended_a_job_is_shown(shown, states, tmp_path):
    empty, own = tmp_path / "rule.log", tmp_path / "7.log"
    empty.touch()
    own.write_text("slurmstepd: NODE_FAIL\n")
    begin(shown, 1, log=empty)
    record = logging.makeLogRecord(
        {"event": LogEvent.JOB_ERROR, "jobid": 1, "rule_msg": "job 7: TIMEOUT"}
        | {"log": [str(empty), str(own)]}
    )
    shown.handle(record)
    assert not lacks(text(shown), "job 7: TIMEOUT", "| slurmstepd: NODE_FAIL", own)


def test_a_dry_run_lists_jobs_and_reasons(shown):
    shown.dryrun = True
    why = {"rule_msg": "Train", "reason": "New\ncode"}
    shown.handle_job_info(events.JobInfo(1, "train", 1, log=["x.log"], **why))
    shown.handle_job_info(events.JobInfo(2, "all", 1, reason="Input files updated"))
    assert text(shown).endswith("Train\n    New code\n") and not shown.running


def test_every_profile_has_the_display():
    profiles = [*REPOSITORY.glob("profiles/*/config.yaml")]
    executors = {path.parent.name for path in profiles if "executor" in read_yaml(path)}
    shown = {path.parent.name for path in profiles if read_yaml(path).get("logger") == "seesaw"}
    assert shown == executors == {"local", "single_gpu", "slurm"}
