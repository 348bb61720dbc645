"""The JSON schemas of the YAML files: current, true of each file, and able to refuse."""

import re
import sys

import jsonschema
import pytest

from seesaw.core import paths
from seesaw.core.yaml import read_yaml

sys.path.insert(0, "tools")
import schemas

FILES = [
    *sorted(paths.CONFIGS.glob("*.yaml")),
    *sorted(paths.CONFIGS.glob("scales/*.yaml")),
    paths.ROOT / "site.yaml.example",
]
FILES = [f for f in FILES if f.name != "downloads.lock.yaml"]  # written by a verb alone


def schema_of(file):
    first = file.read_text().splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named, f"{file} must begin as its neighbours do: # yaml-language-server: $schema=..."
    return (file.parent / named[1]).resolve()


def test_they_are_those_of_the_models(tmp_path):
    schemas.write(tmp_path)
    made = {f.name: f.read_text() for f in tmp_path.iterdir()}
    assert made == {f.name: f.read_text() for f in schemas.FOLDER.iterdir()}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_each_file_names_its_schema_and_obeys_it(file):
    named = schema_of(file)
    assert named.parent == schemas.FOLDER.resolve() and named.is_file()
    checks = jsonschema.Draft202012Validator(schemas.schema(named.stem))
    content = read_yaml(file) if file.suffix == ".yaml" else {}
    checks.validate(content)
    if named.stem != "datasets":  # whose file may hold anything else
        assert not checks.is_valid(content | {"no_such_key": 1})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("experiments", {"trainings": {"a13": {"schedule": "3x"}}, "places": {}}),
        ("experiments", {"trainings": {"a13": {"schedule": "1x", "sedes": [1]}}, "places": {}}),
        ("scale", {"dataset": "mini_lvis", "set": {"rois_per_imag": 32}}),
        ("scale", {"dataset": "mini_lvis", "set_in": {"a01_mask_rcnn": {"epoch": 32}}}),
        ("datasets", {"datasets": {"mine": {"root": "data/mine", "train": "a.json"}}}),
    ],
)
def test_a_mistake_is_refused(name, wrong):
    assert not jsonschema.Draft202012Validator(schemas.schema(name)).is_valid(wrong)


def test_gpus_of_a_scale_of_ones_own_are_accepted():
    checks = jsonschema.Draft202012Validator(schemas.schema("site"))
    assert checks.is_valid({"gpus": {"mine": 2}}) and not checks.is_valid({"gpus": {"mine": "2"}})
