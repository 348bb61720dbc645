"""Killed, stopped and resumed trainings end in the bytes of an uninterrupted one."""

import os
import random
import time
from functools import cache
from pathlib import Path

import pytest
from mmengine.fileio import LocalBackend
from toy_training import ITERATIONS, attempt, fault, kill, results

from seesaw.core.records import read_record
from seesaw.training import checkpoint


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The results of the uninterrupted training, by the number of ranks."""

    @cache
    def model(ranks):
        folder = tmp_path_factory.mktemp("whole")
        assert attempt(folder, ranks=ranks) == 0
        weights, gradients = results(folder)
        assert weights and gradients
        return weights, gradients

    return model


slow = pytest.mark.slow


def kill_at_write(number):
    """Die in the middle of writing checkpoint ``number`` (from 1)."""
    written = iter(range(1, 100))

    def put(self, content, path):
        half = next(written) == number
        Path(path).write_bytes(content[: len(content) // 2] if half else content)
        if half:
            kill()

    def patch():
        LocalBackend.put = put

    return patch


def kill_at_rename(number):
    """Die when checkpoint ``number`` is written and synced, but has no name yet."""
    renamed, replace = iter(range(1, 100)), os.replace

    def dying(old, new):
        if str(new).endswith(".pth") and next(renamed) == number:
            kill()
        replace(old, new)

    def patch():
        checkpoint.os.replace = dying

    return patch


def found(folder):
    path = checkpoint.newest(folder / "work")
    return checkpoint.iteration(path) if path else 0


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=slow)])
def test_a_kill_between_checkpoints(models, tmp_path, ranks):
    assert attempt(tmp_path, ranks=ranks, hooks=fault(13)) == -9
    assert found(tmp_path) == 10
    assert attempt(tmp_path, ranks=ranks) == 0
    assert results(tmp_path) == models(ranks)


@pytest.mark.parametrize("kind", [pytest.param(kill_at_write, marks=slow), kill_at_rename])
def test_a_kill_in_a_checkpoint(models, tmp_path, kind):
    assert attempt(tmp_path, patch=kind(3)) == -9
    assert (tmp_path / "work/.iter_15.pth.part").exists()
    assert found(tmp_path) == 10
    assert attempt(tmp_path) == 0
    assert results(tmp_path) == models(1)
    assert not list((tmp_path / "work").glob(".*.part"))


@pytest.mark.parametrize("ranks", [pytest.param(1, marks=slow), 2])
def test_sigterm_saves_and_ends_with_75(models, tmp_path, ranks):
    assert attempt(tmp_path, ranks=ranks, hooks=fault(16, "term")) == 75
    assert found(tmp_path) == 17  # the iteration under way is finished
    record = read_record(tmp_path / "work/interrupted.json")
    assert record == {"done": 17, "total": ITERATIONS, "reason": "SIGTERM"}
    assert "saved in" in (tmp_path / "log.0").read_text().splitlines()[-1]
    # the newest is damaged meanwhile: back to 15
    last = tmp_path / "work/iter_17.pth"
    last.write_bytes(last.read_bytes()[:-100])
    assert attempt(tmp_path, ranks=ranks) == 0
    assert results(tmp_path) == models(ranks)
    assert not (tmp_path / "work/interrupted.json").exists()


@slow
def test_seventeen_time_outs_end_in_a_finished_run(models, tmp_path):
    """Of two ranks; test_resume_real.py stops one process after each iteration, too."""
    for done in range(1, 18):
        # within the margin from the start: each attempt makes one iteration
        assert attempt(tmp_path, ranks=2, deadline=time.time() + 30) == 75
        assert found(tmp_path) == done
    assert attempt(tmp_path, ranks=2, deadline=time.time() + 3600) == 0
    assert results(tmp_path) == models(2)


@slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_kills_at_random_moments(models, tmp_path, ranks):
    """The kernel's timer ends the process anywhere in an iteration or a checkpoint, 24 times."""
    rng = random.Random(0)
    for n in range(24):
        folder = tmp_path / str(n // 3)  # three kills, then to the end
        interval, at = rng.choice([1, 3]), found(folder) + rng.randrange(7)
        hooks = fault(at, "alarm", seconds=rng.uniform(0.0005, 0.03))
        assert attempt(folder, ranks=ranks, interval=interval, hooks=hooks) < 0
        assert found(folder) > at - interval  # less than one interval is lost
        if n % 3 == 2:
            assert attempt(folder, ranks=ranks, interval=5) == 0
            assert results(folder) == models(ranks)


@slow
@pytest.mark.parametrize("kind", [fault, kill_at_write, kill_at_rename])
def test_kills_at_every_kind_of_place(models, tmp_path, kind):
    for n, place in enumerate(random.Random(1).sample(range(1, ITERATIONS), 8)):
        folder = tmp_path / str(n)
        how = dict(hooks=fault(place)) if kind is fault else dict(patch=kind(place))
        assert attempt(folder, interval=1, **how) == -9
        assert found(folder) == (place if kind is fault else place - 1)
        assert attempt(folder, interval=7) == 0
        assert results(folder) == models(1)
