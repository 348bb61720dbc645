"""What tests of all parts share: one thread each, and the workflow's files in a clone."""

import os
import shutil
import signal

import pytest
from filelock import FileLock
from repository import copied, seesaw

# The suite runs in parallel and must not oversubscribe.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# The default of --scale, which a user's shell may have set.
os.environ.pop("SEESAW_SCALE", None)
# A shell lets what it starts in the background ignore Ctrl-C, and so would what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tab(tmp_path_factory):
    """A tab of Chromium, for tests that are skipped where it is not installed."""
    from browser import browser  # tests on a bare GPU node lack its library

    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder of this call's, which all of its processes use."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture
def rules(tmp_path, shared, monkeypatch):
    """A folder with the workflow's files; configs, data and results are the test's own.

    A job graph, which Snakemake takes seconds to make, is made once for all tests.
    """
    from seesaw.core.hashing import cached_json, digest
    from seesaw.core.integrity import sha256_of
    from seesaw.workflow import jobs

    def by_content(key_files, cache_path, compute):
        files = [*key_files]
        key = digest({str(f): sha256_of(f) if f.is_file() else None for f in files})
        return cached_json(files, shared / "graphs" / f"{key}-{cache_path.name}", compute)

    monkeypatch.setattr(jobs, "cached_json", by_content)
    return copied(tmp_path, "Snakefile", "environment.yml", "workflow", "profiles", "slurm")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """The working directory: a copy of configs/ alone."""
    monkeypatch.chdir(copied(tmp_path, "configs"))
    return tmp_path


@pytest.fixture
def clone(rules, bare):
    """The working directory: a clone without data and results."""
    return bare


@pytest.fixture
def printed(capsys):
    """Calls a verb, which must end with this code; returns its stdout, or its stderr after 2."""
    from seesaw.cli.main import main

    def call(*words, code=0):
        capsys.readouterr()
        assert main([*map(str, words)]) == code
        said = capsys.readouterr()
        return said.err if code == 2 else said.out

    return call


@pytest.fixture(scope="session")
def smoke_start(shared, tmp_path_factory):
    """What trainings at smoke scale start from, made once for all tests: they copy it."""
    made = shared / "smoke"
    with FileLock(shared / "smoke.lock"):
        if not made.exists():
            part = copied(tmp_path_factory.mktemp("part"), "configs", "requirements.lock")
            seesaw(part, "data")
            seesaw(part, "pretrain", "resnet18")
            part.rename(made)
    return made


@pytest.fixture(scope="module")
def smoke_root(tmp_path_factory, smoke_start):
    """A folder of the module's own in which trainings at smoke scale can start."""
    return shutil.copytree(smoke_start, tmp_path_factory.mktemp("root"), dirs_exist_ok=True)
