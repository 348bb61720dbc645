"""A fresh clone as plan and status see it: configs, no data and no results."""

import shutil

import pytest

from seesaw import experiments
from seesaw.paths import CONFIGS
from seesaw.planning.jobs import workflow
from seesaw.scales import Scale


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
