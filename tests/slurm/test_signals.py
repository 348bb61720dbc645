"""SIGTERM reaches a training through every process above it; no Slurm needed."""

import subprocess
import sys
import time

import pytest
from waiting import wait_until

SAVES = """
import os, signal, sys, time
from pathlib import Path

rank, received = os.environ.get("RANK", "0"), []
signal.signal(signal.SIGTERM, lambda *_: received.append(1))
Path(f"begun{rank}").touch()
while not received:
    time.sleep(0.05)
time.sleep(1)  # to the end of the iteration
Path(f"saved{rank}").touch()
sys.exit(75)
"""


@pytest.fixture
def begun(place):
    """Starts a module of `seesaw.workflow.slurm`; returns once its ranks run `saves.py`."""
    (place / "saves.py").write_text(SAVES)

    def start(ranks: int, module: str, *command: str) -> subprocess.Popen:
        line = [sys.executable, "-m", f"seesaw.workflow.slurm.{module}", *command]
        process = subprocess.Popen(line)
        wait_until(lambda: all((place / f"begun{rank}").exists() for rank in range(ranks)))
        return process

    return start


def test_a_step_of_which_slurm_signals_only_the_first_process(place, begun):
    # what Snakemake does with SIGTERM: nothing, until its shell has ended
    snakemake = f"trap : TERM; {sys.executable} saves.py; exit $?"
    step = begun(1, "step", "bash", "-c", snakemake)
    step.terminate()
    assert step.wait() == 75 and (place / "saved0").exists()


def test_torchrun_waits_for_workers_that_save(place, begun, monkeypatch):
    monkeypatch.setenv("SEESAW_FAILURES", "failures")
    running = begun(2, "torchrun", "2", "saves.py")
    for _ in range(2):  # SLURM's own signal, and the one that `segments` passes on
        running.terminate()
        time.sleep(0.2)
    assert running.wait() == 75
    assert all((place / f"saved{rank}").exists() for rank in range(2))
    assert (place / "failures").read_text().split()[1:] == ["75"]
