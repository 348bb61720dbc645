"""What tests of all parts share: one thread each, and the workflow's files in a clone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
JOBS = Path(".cache/jobs")

# The suite runs in parallel and must not oversubscribe.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="session")
def job_graphs(tmp_path_factory):
    """The job graphs that tests have read: they hold in every clone with the same files."""
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="session")
def tab(tmp_path_factory):
    """A tab of Chromium, for tests that are skipped where it is not installed."""
    from browser import browser  # tests on a bare GPU node lack its library

    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def rules(tmp_path, job_graphs):
    """A folder with the workflow's files; configs, data and results are the test's own."""
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for name in ("workflow", "profiles"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    (tmp_path / "slurm").symlink_to("profiles/slurm")
    shutil.copytree(job_graphs, tmp_path / JOBS)
    yield tmp_path
    for graph in (tmp_path / JOBS).iterdir():
        if not (job_graphs / graph.name).exists():
            shutil.copy(graph, job_graphs)


@pytest.fixture(scope="module")
def smoke_root(tmp_path_factory):
    """A folder of the module's own in which trainings at smoke scale can start."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    shutil.copy(REPOSITORY / "requirements.lock", root)
    for arguments in (["data"], ["pretrain", "resnet18"]):
        command = [sys.executable, "-m", "seesaw.cli", *arguments, "--scale", "smoke"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
    return root
