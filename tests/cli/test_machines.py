"""Machines that lack something: a place to write, a user's name, UTF-8."""

import errno
import os
import subprocess
import sys

import pytest

from seesaw.core import paths

SRC = paths.ROOT.resolve() / "src"


def separate(options, script, **env):
    """Output of a shell script in a mount or user namespace of its own."""
    try:
        subprocess.run(["unshare", *options, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("namespaces need rights or a kernel that this machine does not have")
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC)} | env
    done = subprocess.run(
        ["unshare", *options, "bash", "-ec", script], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_place_for_its_cache_numba_still_compiles():
    script = f"""mount --bind "{SRC}" "{SRC}"; mount -o remount,ro,bind "{SRC}"
    cd /; "{sys.executable}" -c '
from seesaw.core.jit import njit
from seesaw.data import rle
print(njit.keywords["cache"], rle.encode([[0, 1]]))'"""
    assert separate(["-m"], script, HOME="/proc") == "False 11\n"


def test_a_user_without_a_name_is_named_by_doctor():
    script = f"""cd "{paths.ROOT}"; "{sys.executable}" -c '
from seesaw.cli.checks.surroundings import user
print(user().state, user().found)'"""
    options = ["--user", "--map-user=54321", "--map-group=54321"]
    said = separate(options, script, HOME="/tmp")
    assert said.startswith("missing ") and " 54321 " in said
    assert separate(options, script, HOME="/tmp", USER="x").startswith("ok")


def test_a_folder_that_is_shut_to_the_user_is_named_by_doctor(tmp_path):
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o000)
    script = f"""cd "{paths.ROOT}"; "{sys.executable}" -c '
from pathlib import Path
from seesaw.cli.checks import report, surroundings
from seesaw.spec.scales import Scale
scale = Scale("smoke")
scale.results = Path("{shut}/results/smoke")
found = report.run(dict(a=lambda: surroundings.folders(scale), b=scale.results.exists))
print([(f.state, f.found, f.fix) for f in found.values()])'"""
    said = separate(["--user", "--map-user=54321", "--map-group=54321"], script, HOME="/tmp")
    assert said.count("'missing'") == said.count("permission, or") == 2
    assert f"'{shut} cannot be written'" in said and f"'{shut}/results/smoke: " in said


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ELOOP, errno.EIO]
)
def test_what_cannot_be_written_is_one_sentence(number, monkeypatch, printed):
    def refuse(*_):
        raise OSError(number, os.strerror(number), "/place/manifest.json")

    monkeypatch.setattr("seesaw.cli.results.scale_of", refuse)
    (line,) = printed("claims", code=2).splitlines()
    assert "/place/manifest.json" in line and os.strerror(number) in line
