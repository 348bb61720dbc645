"""A killed run's lock is cleared, but not before what it started has ended."""

import re
import subprocess
import sys
import threading

import psutil
import pytest
from repository import REPOSITORY

from seesaw.workflow.locks import _named, at_work, making, unlock


@pytest.fixture
def start():
    """Start a process of a program, which is a script of that name, with arguments."""
    started = []

    def call(cwd, program, *words):
        (cwd / program).write_text("import time; time.sleep(600)")
        started.append(subprocess.Popen([sys.executable, program, *words], cwd=cwd))
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def locked(tmp_path):
    lock = tmp_path / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/a")
    return lock


def test_what_works_here_is_found_and_nothing_else(tmp_path, start):
    other = tmp_path / "other"
    other.mkdir()
    start(other, "snakemake")
    start(tmp_path, "jupyter")
    assert at_work(tmp_path) == []
    here = start(tmp_path, "snakemake")
    assert [p.pid for p in at_work(tmp_path)] == [here.pid]


def test_the_verb_of_every_rule_counts():
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    assert {*re.findall(r'"seesaw (\w+)', rules), "train", "detect"} <= making()
    assert making().isdisjoint({"show", "plan", "status", "explain", "verify"})


def test_a_process_that_ends_while_it_is_named_is_no_error(tmp_path, start):
    process = start(tmp_path, "snakemake")
    seen = psutil.Process(process.pid)
    process.kill()
    process.wait()
    assert _named(seen) == f"PID {process.pid}"


def test_a_lock_without_a_run_is_cleared(tmp_path, locked):
    unlock(tmp_path)
    assert not locked.exists()


def test_a_lock_stays_while_its_run_works(tmp_path, locked, start, monkeypatch):
    process = start(tmp_path, "snakemake")
    messages = []

    def say(text):
        messages.append(text)
        assert locked.exists()
        threading.Timer(0.3, process.kill).start()
        threading.Timer(0.4, process.wait).start()

    monkeypatch.setattr("builtins.print", say)
    unlock(tmp_path)
    assert f"(PID {process.pid})" in messages[0] and messages[0].startswith("waiting for ")
    assert not locked.exists()


def test_a_training_that_outlives_its_snakemake_is_waited_for(tmp_path, start):
    process = start(tmp_path, "seesaw", "train", "a01")
    start(tmp_path, "seesaw", "show", "table_a1")
    assert [p.pid for p in at_work(tmp_path)] == [process.pid]
