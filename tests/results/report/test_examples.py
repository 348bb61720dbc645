"""The rule that chooses examples: the largest gains and losses among rare categories."""

import json

import pytest

from seesaw.errors import UserError
from seesaw.evaluation.uncertainty import Estimate
from seesaw.results.comparison.categories import Category, Comparison
from seesaw.results.report.examples import TOP, index, kept, pair_of, within
from seesaw.spec.scales import Scale


def comparison(changes):
    """Categories 1, 2, ... by (group, change of AP), sorted as `compare` sorts them."""
    rows = [
        Category(i, f"n{i}", group, 3, 3, 0.0, change, Estimate(change, 1.0, 1.0, 2.0))
        for i, (group, change) in enumerate(changes, start=1)
    ]
    rows.sort(key=lambda c: -c.change.value)
    return Comparison("a", "b", "segm", [0], {}, rows)


def chosen(changes):
    return [c.id for c in within(comparison(changes), "r").largest(TOP)]


def test_gains_and_losses_of_rare_categories_only():
    changes = [
        ("r", 5),
        ("f", 90),
        ("r", -1),
        ("r", 30),
        ("r", -8),
        ("c", -70),
        ("r", 7),
        ("r", -3),
    ]
    assert chosen(changes) == [4, 7, 8, 5]


def test_what_does_not_change_is_not_shown():
    assert chosen([("r", 0), ("r", 0), ("c", 4)]) == []
    assert chosen([("r", 0), ("r", -2)]) == [2]


def test_each_scale_shows_a_pair_that_it_trains():
    assert pair_of(Scale("mini").table) == ("a09_stronger_backbone", "a10_seesaw")
    one = pair_of(Scale("single_gpu").table)
    assert one == ("mask_rcnn_random_ce", "mask_rcnn_random_seesaw")
    assert pair_of(Scale("mini").table.only(["a01_mask_rcnn"], "here")) is None


@pytest.mark.parametrize("name", ["../x.webp", ".", "/etc/passwd", ""])
def test_a_kept_picture_lies_beside_its_index(tmp_path, name):
    scale = Scale("mini").frozen(tmp_path)
    index(scale).parent.mkdir()
    content = {"pair": ["a", "b"], "note": "", "pictures": [["caption", name]]}
    index(scale).write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"{index(scale)} is damaged"):
        kept(scale)
