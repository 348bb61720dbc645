"""A fresh clone as plan and status see it: configs and rules, no data and no results."""

import shutil
from pathlib import Path

import pytest

from seesaw.planning.jobs import workflow
from seesaw.scales import Scale

REPOSITORY = Path(__file__).parents[2]
JOBS = Path(".cache/jobs")


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """The job graphs that tests have read: they hold in every clone with the same files."""
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture
def clone(tmp_path, monkeypatch, kept):
    """The working directory: a clone without data and results."""
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for name in ("workflow", "configs", "profiles"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    (tmp_path / "slurm").symlink_to("profiles/slurm")
    shutil.copytree(kept, tmp_path / JOBS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for graph in (tmp_path / JOBS).iterdir():
        if not (kept / graph.name).exists():
            shutil.copy(graph, kept)


@pytest.fixture
def graph(clone):
    """The job graph of paper scale."""
    return workflow(Scale("paper"))


@pytest.fixture
def paper(graph):
    """Experiment table, paper scale and all of its jobs."""
    return graph.scale.table, graph.scale, graph.every
