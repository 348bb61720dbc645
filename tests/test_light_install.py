"""What works with the packages of pyproject.toml's ``dependencies`` alone, without an extra."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from facts import lacks
from packaging.requirements import Requirement
from repository import REPOSITORY, copied, python

from seesaw.core import paths
from seesaw.workflow import dependencies, jobs

# Refuses to import the modules that its first argument names, then runs the code of the second.
WITHOUT = """
import sys
missing = set(sys.argv[1].split(","))
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
exec(sys.argv[2])
"""


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def with_their_own(requirements, found):
    """Add the distributions of requirements and all that these require, without extras."""
    for requirement in map(Requirement, requirements):
        name = canonical(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in found:
            try:
                further = metadata.distribution(name).requires or []
            except metadata.PackageNotFoundError:  # a part of CUDA, say
                continue
            found.add(name)
            with_their_own(further, found)
    return found


PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
LIGHT = with_their_own(PROJECT["dependencies"], set())


@pytest.fixture(scope="module")
def missing():
    modules = metadata.packages_distributions()
    light = {"seesaw", "pip", "setuptools"} | LIGHT
    absent = {m for m, names in modules.items() if light.isdisjoint(map(canonical, names))}
    assert {"snakemake", "dvc", "wandb", "jupytext", "lvis", "instaboostfast"} <= absent
    return ",".join(absent - set(sys.stdlib_module_names))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What `pip install PATH_OF_THIS_REPOSITORY` installs, unpacked, and no clone around it."""
    root, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    copied(source, "src", "pyproject.toml", "README.md", "LICENSE")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--disable-pip-version-check", "-w", source, source], check=True)
    (made,) = source.glob("*.whl")
    with ZipFile(made) as file:
        file.extractall(root)
    return root


def test_the_wheel_holds_every_file_of_the_package(wheel):
    listed = subprocess.check_output(["git", "ls-files", "src"], cwd=REPOSITORY, text=True)
    files = {name.removeprefix("src/") for name in listed.splitlines()}
    assert {name for name in files if not (wheel / name).is_file()} == set()


def run(missing, code, ends=0, root=Path(), **variables):
    return python(root, "-c", WITHOUT, missing, code, code=ends, **variables)


def test_it_adds_few_packages_to_those_of_mmdet():
    mmdet = with_their_own(["torch", "onedl-mmcv", "onedl-mmdetection"], set())
    assert len(LIGHT - mmdet) <= 10


def test_modules_evaluation_and_submission_check_are_there_without_a_clone(missing, wheel):
    code = """
import seesaw
seesaw.register()
from seesaw.evaluation import detect, lvis_eval, metric, predict
from seesaw.evaluation.submission import package, validate
print(seesaw.__file__)
"""
    done = run(missing, code, root=wheel, PYTHONPATH=str(wheel))
    assert done.stdout.splitlines()[-1:] == [str(wheel / "seesaw/__init__.py")]


def test_a_verb_that_needs_more_names_the_package_and_the_fix(missing):
    code = "import sys; from seesaw.cli.main import main; sys.exit(main(['crate']))"
    done = run(missing, code, ends=2)
    assert len(done.stderr.splitlines()) == 1
    assert not lacks(done.stderr, "seesaw crate: ", "rocrate", "setup.sh", "[workflow]")


def test_mmdets_own_word_for_a_missing_package_is_one_sentence(monkeypatch, printed):
    """mmdet's LVIS datasets raise an ImportError without a name when they are loaded."""

    def fails(*_):
        raise ImportError("Package lvis is not installed.")

    monkeypatch.setattr("seesaw.cli.planning.scale_of", fails)
    said = printed("plan", "--scale", "smoke", code=2)
    assert "(Package lvis is not installed);" in said and len(said.splitlines()) == 1


def test_so_does_one_whose_separate_process_needs_it(monkeypatch, tmp_path, printed):
    (tmp_path / "needs_more.py").write_text("import no_such_package.part")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(jobs, "cached_json", lambda *_: dependencies.answer("needs_more"))
    said = printed("plan", "--scale", "smoke", code=2)
    assert "package no_such_package;" in said and len(said.splitlines()) == 1
