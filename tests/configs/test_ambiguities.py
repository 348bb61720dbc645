"""docs/ambiguities.md: every switch that it names exists."""

import ast
import inspect
import re
from functools import cache

import mmdet.datasets.transforms
import mmdet.models  # noqa: F401  (registers)
from config_cases import BUILT, resolved
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.registry import MODELS as ENGINE_MODELS
from repository import REPOSITORY

from seesaw.spec.config import _PARTS

ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in (REPOSITORY / "docs/ambiguities.md").read_text().splitlines()
    if line.startswith("| ")
]
# mmengine's optimizer constructor, and the other values of a12's `edge` and of a04's `rpn`
ELSEWHERE = {"paramwise_cfg", "shorter", "mask_rcnn"}


def words_of_the_code():
    """Arguments, classes, names and one-word strings of src/ and configs/."""
    found = set(ELSEWHERE)
    for file in [*REPOSITORY.glob("src/**/*.py"), *REPOSITORY.glob("configs/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.arg(arg=word) | ast.keyword(arg=str(word)) | ast.ClassDef(name=word):
                    found.add(word)
                case ast.Name(id=word) | ast.Constant(value=str(word)):
                    found.add(word)
    return found


def words_of_the_configs():
    """Every key of all resolved configs, and every argument of the types that they build."""
    found, types = set(), set()

    def visit(node):
        if isinstance(node, dict):
            found.update(map(str, node))
            types.update([node["type"]] if isinstance(node.get("type"), str) else [])
            node = list(node.values())
        for item in node if isinstance(node, (list, tuple)) else ():
            visit(item)

    for experiment in BUILT:
        visit(resolved(experiment).to_dict())
    for parent in (c for word in types if (t := registered(word)) for c in t.__mro__):
        found.update(inspect.signature(parent.__init__).parameters)
    return found


def registered(word):
    """The class of a registered type, or None."""
    made = (registry.get(word) for registry in (MODELS, TRANSFORMS, ENGINE_MODELS))
    return next((t for t in made if inspect.isclass(t)), None)


@cache
def known():
    return words_of_the_code() | words_of_the_configs()


def switches(cell):
    """The words of the code spans of a cell, values that are numbers left out."""
    words = re.findall(r"[A-Za-z_]\w*", " ".join(re.findall(r"`([^`]+)`", cell)))
    return set(words) - {"True", "False", "None"}


def test_every_row_is_complete():
    header, *rows = ROWS
    assert header == ["What the paper leaves open", "What we chose", "Why", "Switch"]
    assert all(len(row) == 4 and all(row) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    assert all(switches(row[3]) or row[3].startswith("none") for row in rows)


def unknown(words):
    return sorted(word for word in words - known() if not registered(word))


def test_every_switch_exists():
    named = set().union(*(switches(row[3]) for row in ROWS[1:]))
    assert len(named) > 60
    assert unknown(named) == []


def test_no_switch_is_a_variable_that_does_nothing_in_a_config_that_inherits():
    spans = [span for row in ROWS[1:] for span in re.findall(r"`([^`]+)`", row[3])]
    assert {span.partition(".")[0] for span in spans} & _PARTS == set()


def test_a_switch_that_does_not_exist_is_found():
    assert unknown(switches("`roi_head.mask_weight=2` of `Lasy`")) == ["Lasy", "mask_weight"]
