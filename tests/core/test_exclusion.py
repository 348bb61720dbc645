"""Two processes that make the same file exclude each other; a killed one leaves no lock."""

import errno
import fcntl
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw.cli.data import _tidy
from seesaw.cli.main import main
from seesaw.core.files import lock
from seesaw.core.provenance import Provenance
from seesaw.errors import UserError
from seesaw.spec.scales import Scale

HOLD = """
import sys, time
from pathlib import Path
from seesaw.core.provenance import Provenance
with Provenance(sys.argv[1], root=Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(600)
"""
MAKES_DATA = """
import time
from seesaw.core import attempts, paths
from seesaw.spec.scales import Scale
with attempts.alone(paths.ROOT, Scale("smoke").entry.root):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that makes ``tmp_path/made``."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "made"), str(tmp_path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("job", [None, "7"], ids=["alone", "in a SLURM job"])
def test_the_second_process_names_the_first_and_changes_nothing(tmp_path, other, job, monkeypatch):
    if job:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    before = sorted(p for p in tmp_path.rglob("*"))
    with pytest.raises(UserError) as error, Provenance(tmp_path / "made", root=tmp_path):
        pass
    assert f"process {other.pid} on {platform.node()}" in str(error.value)
    assert str(tmp_path / "made") in str(error.value)
    assert sorted(p for p in tmp_path.rglob("*")) == before


def test_one_process_makes_a_dataset(bare, capsys):
    with subprocess.Popen(
        [sys.executable, "-c", MAKES_DATA], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        assert main(["data", "--scale", "smoke"]) == 2
        other.kill()
    assert f"process {other.pid} " in capsys.readouterr().err
    assert not Scale("smoke").entry.root.exists()


def test_what_a_killed_generation_left_is_deleted(bare):
    entry = Scale("smoke").entry
    left = [entry.root.with_name(f".{entry.root.name}.{n}.tmp") for n in ("7", "mine")]
    for folder in left:
        (folder / "annotations").mkdir(parents=True)
    _tidy(entry)
    assert [folder.exists() for folder in left] == [False, True]


def test_a_path_relative_to_the_root_names_the_same_file(tmp_path, other, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"process {other.pid}"), Provenance("made", root=Path()):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path, other):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with Provenance(tmp_path / "made", root=tmp_path):
        (tmp_path / "made").write_text("x")


def test_a_slurm_job_keeps_no_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with Provenance(tmp_path / "made", root=tmp_path):
        (tmp_path / "made").write_text("x")
        monkeypatch.delenv("SLURM_JOB_ID")
        with Provenance(tmp_path / "made", root=tmp_path):
            pass


def test_where_the_file_system_has_no_locks_nothing_is_locked(tmp_path, monkeypatch):
    """As on Lustre without its mount option flock."""

    def missing(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", missing)
    with lock(tmp_path / "held", "it"), lock(tmp_path / "held", "it"):
        pass
