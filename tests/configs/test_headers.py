"""The header of each rung's file tells the paper's section, its numbers and the expected cost."""

import ast
import re

import pytest
import yaml
from config_cases import BUILT, PRINTED, TABLE

from seesaw.core import paths
from seesaw.workflow import rates

VALUES = yaml.safe_load(paths.PAPER_VALUES.read_text())
HOURS = rates.assumed().hours
NUMBER = re.compile(r"(AP(?:_\w+)?) (\d+\.\d)(?: \(([+-]\d+\.\d)\))?")


def header(experiment):
    """The docstring of an experiment's file, on one line."""
    path = TABLE.evaluations[experiment].config_path
    return " ".join(ast.get_docstring(ast.parse(path.read_text())).split())


def numbers(text):
    """AP numbers and increments after "Paper:", in the form of paper_values.yaml."""
    stated = re.search(r"Paper: (.*?)\. Cost:", text).group(1)
    found = NUMBER.findall(stated)
    values = {name: float(value) for name, value, _ in found}
    increments = {name: float(step) for name, _, step in found if step}
    return values | ({"increments": increments} if increments else {})


@pytest.mark.parametrize("experiment", PRINTED)
def test_states_the_papers_section_and_numbers(experiment):
    assert re.search(r"section 4\.[12]|Table A2|Figures? A", header(experiment))
    places = [c.place for c in TABLE.cells if c.evaluation == experiment and c.place in VALUES]
    expected = VALUES[places[0]][experiment]
    assert numbers(header(experiment)) == {k: v for k, v in expected.items() if k != "fps"}


def test_states_the_cost_that_plans_expect():
    stated, known = {}, {}
    for experiment in BUILT:
        stem = TABLE.evaluations[experiment].config_path.stem
        if found := re.search(r"Cost: about ([\d,]+) V100-hours", header(experiment)):
            stated[stem] = int(found.group(1).replace(",", ""))
        if experiment in PRINTED or stem in HOURS or found:
            known[stem] = HOURS.get(stem)
    assert stated == known and None not in known.values()
