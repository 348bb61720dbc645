"""A finished smoke run of two rungs, in a folder of the test's own."""

import os
import shutil
from pathlib import Path

import pytest
from clones import shrink
from frozen import table
from made import finish
from repository import copied

from seesaw.spec.scales import Scale
from seesaw.workflow import jobs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of two rungs with its table, and its jobs."""
    root = copied(tmp_path_factory.mktemp("finished"), "configs", "workflow", "Snakefile")
    shrink(root / "configs/experiments.yaml")
    here = Path.cwd()
    os.chdir(root)
    try:
        scale = Scale("smoke")
        made = finish(scale)
        table(scale)
        jobs.workflow(scale)  # kept by the copies
    finally:
        os.chdir(here)
    return root, made


@pytest.fixture
def scale(finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return Scale("smoke")
