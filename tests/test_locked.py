"""The lock holds what the project needs, and all of it runs on each Python."""

import re
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from seesaw.cli.checks.software import PYTHONS
from seesaw.core import paths

LOCK = dict(
    line.split("==") for line in paths.LOCK.read_text().splitlines() if re.match(r"[\w.-]+==", line)
)


def test_every_direct_dependency_is_locked():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = [*project["dependencies"], *extras["workflow"], *extras["dev"]]
    assert sorted(set(names) - {name.lower() for name in LOCK}) == []


def test_every_locked_package_runs_on_each_python():
    refused = [
        (name, python)
        for name in LOCK
        for python in PYTHONS
        if (needs := metadata.metadata(name)["Requires-Python"])
        and not SpecifierSet(needs).contains(f"{python}.2")
    ]
    assert refused == []


def test_the_locked_versions_fit_each_other():
    """pip installs the lock without resolving, so nothing else tells."""
    locked = {canonicalize_name(name): version for name, version in LOCK.items()}
    refused = []
    for name in LOCK:
        for wanted in map(Requirement, metadata.requires(name) or []):
            version = locked.get(canonicalize_name(wanted.name))
            applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
            if version and applies and not wanted.specifier.contains(version, prereleases=True):
                refused.append(f"{name} needs {wanted}, not {version}")
    assert refused == []
