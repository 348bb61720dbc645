"""What the figure of the error analysis shows, on hand-made numbers."""

import json
from pathlib import Path

from seesaw.results.figures.errors import averaged, called
from seesaw.results.figures.results import Category


def errors(ap, cost, names):
    groups = dict.fromkeys("rcf", ap) | {"all": ap}
    part = {"missed": dict.fromkeys(groups, cost)}
    return {"AP50": groups, "cost": part, "number": part, "called": names}


def test_seeds_are_averaged_and_their_objects_added():
    one = errors(0.2, 0.1, {"1": {"1": 2, "none": 1}})
    two = errors(0.4, None, {"1": {"2": 3}})
    found = averaged([one, two])
    assert round(found["AP50"]["r"], 9) == 0.3
    assert found["cost"]["missed"]["all"] is None  # undefined for one seed
    assert found["called"] == {"1": {"1": 2, "2": 3, "none": 1}}
    assert averaged([one])["cost"] == one["cost"]


def test_what_rare_objects_are_taken_for():
    names = {1: "rook", 2: "kite", 3: "disc", 4: "slab"}
    categories = [Category(i, name, "r", 1) for i, name in names.items()]
    a = errors(0, 0, {"1": {"2": 3, "3": 1}, "4": {"none": 1}})
    b = errors(0, 0, {"1": {"1": 1, "2": 1, "3": 1, "none": 1}, "4": {"4": 1}})
    rook, slab = called({"a": a, "b": b}, categories, most=5)
    assert (rook.name, rook.look_alike, rook.objects) == ("rook", "kite", 4)
    assert rook.taken["a"] == {"own": 0, "look-alike": 3, "another": 1, "none": 0}
    assert [rook.share("b", name) for name in ("own", "look-alike", "another", "none")] == [
        0.25
    ] * 4
    assert (slab.look_alike, slab.share("a", "none"), slab.share("b", "own")) == ("", 1, 1)
    assert called({"a": a, "b": b}, categories, most=1) == [rook]


def test_names_that_read_as_formulas_are_drawn(results, draw):
    path = Path("data/smoke_lvis/category_counts.json")
    content = json.loads(path.read_text())
    for category in content["categories"]:
        category["name"] = rf"$\frac{{$ {category['id']}"
    path.write_text(json.dumps(content))
    folder = draw("error_analysis")
    assert (folder / "error_analysis.svg").is_file()
    assert r"$\frac{$ 1" in (folder / "error_analysis.csv").read_text()
