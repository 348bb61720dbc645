"""A fresh clone as plan and status see it: configs, no data and no results."""

import shutil
from pathlib import Path

import pytest

from seesaw import experiments
from seesaw.paths import CONFIGS
from seesaw.planning.jobs import workflow
from seesaw.scales import Scale

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The working directory: a clone without data and results."""
    shutil.copytree(CONFIGS.resolve(), tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def paper(clone):
    """Experiment table, paper scale and all of its jobs."""
    table, scale = experiments.load(), Scale("paper")
    return table, scale, workflow(table, scale, {})


@pytest.fixture
def rules(tmp_path, monkeypatch):
    """The workflow's files alone, no data and no results; the working directory."""
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for name in ("workflow", "configs", "profiles"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    (tmp_path / "slurm").symlink_to("profiles/slurm")
    monkeypatch.chdir(tmp_path)
    return tmp_path
