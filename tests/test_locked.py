"""The lock holds what the project needs, and what is installed is what it says."""

import importlib
import re
import tomllib
from importlib import metadata

import pytest
from packaging.specifiers import SpecifierSet

from seesaw.core import paths

LOCK = dict(
    line.split("==") for line in paths.LOCK.read_text().splitlines() if re.match(r"[\w.-]+==", line)
)
MODULES = {
    "torch": "torch",
    "onedl-mmcv": "mmcv.ops",
    "onedl-mmengine": "mmengine",
    "onedl-mmdetection": "mmdet.models",
    "snakemake": "snakemake",
    "snakemake-executor-plugin-slurm": "snakemake_executor_plugin_slurm",
    "dvc": "dvc",
    "lvis": "lvis",
    "hotcoco": "hotcoco",
    "wandb": "wandb",
    "jupyterlab": "jupyterlab",
    "jupytext": "jupytext",
    "nbclient": "nbclient",
    "instaboostfast": "instaboostfast",
}


@pytest.mark.parametrize(("package", "module"), MODULES.items())
def test_imports_at_its_locked_version(package, module):
    importlib.import_module(module)
    assert metadata.version(package).split("+")[0] == LOCK[package]


def test_every_direct_dependency_is_locked():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = [*project["dependencies"], *extras["workflow"], *extras["dev"]]
    assert sorted(set(names) - {name.lower() for name in LOCK}) == []


def test_every_locked_package_runs_on_debians_python():
    refused = [
        name
        for name in LOCK
        if (needs := metadata.metadata(name)["Requires-Python"])
        and not SpecifierSet(needs).contains("3.11.2")
    ]
    assert refused == []
