"""The lock holds what the project needs, and all of it runs on Debian's Python."""

import re
import tomllib
from importlib import metadata

from packaging.specifiers import SpecifierSet

from seesaw.core import paths

LOCK = dict(
    line.split("==") for line in paths.LOCK.read_text().splitlines() if re.match(r"[\w.-]+==", line)
)


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
