"""What a run shows: jobs by name, true counts, the end of a failed log, and how to go on."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from snakemake_logger_plugin_rich import events

from seesaw.workflow import rates
from snakemake_logger_plugin_seesaw import TAIL, TOTAL, Events

REPOSITORY = Path(__file__).parents[2]
SNAKEFILE = """
from seesaw.workflow.slurm import controller

rule all:
    input: expand("{n}.out", n=[1, 2])

rule make:
    output: "{n}.out"
    log: "{n}.log"
    message: "Make number {wildcards.n}"
    shell: "for i in $(seq 500); do echo line $i; done > {log}; COMMAND"

onerror:
    controller.stopped(log)
"""


def start(folder, command):
    (folder / "Snakefile").write_text(SNAKEFILE.replace("COMMAND", command))
    words = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2"]
    return subprocess.Popen(
        [*words, "--logger", "seesaw", "--show-failed-logs", "--keep-going"],
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
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("*.log"))) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Make number 1" in said and "Make number 2" in said
    assert "same command again" in said and "line 5" not in said
    assert len(said.splitlines()) < 30


@pytest.mark.slow
def test_of_a_failed_job_the_end_of_its_log_is_shown(tmp_path):
    process = start(tmp_path, "[ {wildcards.n} = 1 ] && touch {output}")
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "same command again" not in said
    assert "done: Make number 1" in said and "failed: Make number 2" in said
    assert said.count("| line ") == TAIL and "| line 500" in said
    assert "2.log" in said


@pytest.fixture
def shown():
    """The events of a run with two trainings and a table, of which nothing has begun."""
    console, progress = Console(file=io.StringIO()), Progress()
    made = Events(console=console, progress=progress, live_display=Live(console=console))
    made.handle_run_info(events.RunInfo({"train": 2, "table": 1}, 3))
    yield made
    made.close()


def begin(shown, number, rule="train"):
    log = ["x.log"]
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
    assert shown.hours_left() == pytest.approx(stated)
    shown.seconds["train"] = [7200.0]
    shown.rule_counts["train"]["completed"] = 1
    shown.begun -= 7200.0  # one after another
    assert shown.hours_left() == pytest.approx(2 + minutes["table"] / 60, rel=1e-3)
    shown.begun += 3600.0  # two at once
    assert shown.hours_left() == pytest.approx(1 + minutes["table"] / 120, rel=1e-3)


def test_without_a_stated_cost_no_time_is_reported(shown, monkeypatch):
    monkeypatch.setenv("SEESAW_WORKFLOW_SCALE", "paper")
    assert shown.hours_left() is None
    assert shown.standing() == "0 of 3 jobs"
