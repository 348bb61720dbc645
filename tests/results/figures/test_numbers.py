"""The data behind Figures A1 and A2 against the results that they are drawn from."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hand_made import CE, CELLS, GROUPS, INSTANCES, ORDER, SEESAW, gradients, metrics, write
from repository import replace

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.results.figures import gradients as sums
from seesaw.results.figures.per_category import panels, running_mean
from seesaw.results.figures.results import Results


def rows(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_figure_a1_shows_the_gradients_of_the_trainings(results, draw):
    found = rows(draw("figure_a1") / "figure_a1.csv")
    assert len(found) == 24
    for loss, background in (("CE", 7), ("Seesaw", 0)):
        mine = [row for row in found if row["loss"] == loss]
        assert [int(row["category"]) for row in mine] == ORDER
        for index, row in enumerate(mine):
            i = int(row["category"])
            assert (int(row["index"]), row["group"]) == (index, GROUPS[i - 1])
            assert int(row["instances"]) == INSTANCES[i - 1]
            assert float(row["positive"]) == i
            assert float(row["negative_foreground"]) == 2 * i
            assert float(row["negative_background"]) == background * i
            assert float(row["ratio"]) == i / (2 * i + background * i)
            assert float(row["foreground_ratio"]) == 0.5


def test_figure_a1_without_one_training_says_so(results, draw):
    Path(f"results/smoke/{SEESAW}/seed0/gradients.json").unlink()
    found = rows(draw("figure_a1") / "figure_a1.csv")
    assert {row["loss"] for row in found} == {"CE"}


def test_seeds_add_up(results):
    path = Path("configs/experiments.yaml")
    text = path.read_text()
    start = text.index(f"  {CE}:")
    path.write_text(text[:start] + text[start:].replace("seeds: [0]", "seeds: [0, 1]", 1))
    found = Results("figure_a1", "smoke")
    assert found.state(CE) == "not run"
    write(f"results/smoke/{CE}/seed1/gradients.json", gradients(1))
    found = Results("figure_a1", "smoke")
    total = sums.gradients(found.of(CE), found.categories)
    assert total.ratio == pytest.approx(np.full(12, 2 / (4 + 8)), abs=1e-15)


def test_a_category_without_gradients_has_no_ratio(results):
    content = gradients(7)
    for kind in ("positive", "negative_foreground", "negative_background"):
        content[kind][1] = 0.0  # category 2, the last of all
    total = sums.gradients([content], Results("figure_a1", "smoke").categories)
    assert math.isnan(total.ratio[-1]) and not np.isnan(total.ratio[:-1]).any()
    rare = np.array([c.group == "r" for c in Results("figure_a1", "smoke").categories])
    assert total.pooled(rare) == (6 + 7) / (9 * (6 + 7))


def test_foreign_gradients_are_refused(results):
    content = gradients(7) | {"categories": list(range(2, 14))}
    with pytest.raises(UserError, match=r"gradients\.json .*category 1; .*model\.pth"):
        sums.gradients([content], Results("figure_a1", "smoke").categories)


def test_foreign_metrics_and_counts_are_refused(results):
    content = metrics(3)
    del content["per_category"]["segm"]["5"]
    write(f"results/smoke/{CELLS[3]}/seed0/{CELLS[3]}/metrics.json", content)
    with pytest.raises(UserError, match=f"{CELLS[3]} .*category 5"):
        panels(Results("figure_a2", "smoke"))
    found = Results("figure_a2", "smoke")
    counts = json.loads(found.files["category_counts"].read_text())
    del counts["categories"][2]["name"]
    write(found.files["category_counts"], counts)
    with pytest.raises(UserError, match=r"category_counts\.json .*'name'"):
        _ = Results("figure_a2", "smoke").categories


def test_figure_a2_shows_the_metrics_of_the_cells(results, draw):
    Path(f"results/smoke/{CELLS[9]}/seed0/{CELLS[9]}/metrics.json").unlink()
    found = rows(draw("figure_a2") / "figure_a2.csv")
    assert len(found) == 16 * 12
    for offset, cell in enumerate(CELLS):
        mine = found[12 * offset : 12 * (offset + 1)]
        assert [int(row["category"]) for row in mine] == ORDER
        framework, sampler, loss = cell.rsplit("_", 2)
        assert {(r["framework"], r["sampler"], r["loss"].lower()) for r in mine} == {
            (
                {"mask_rcnn": "Mask R-CNN", "cascade": "Cascade"}[framework],
                {"random": "random", "rfs": "RFS"}[sampler],
                loss,
            )
        }
        for row in mine:
            assert row["state"] == ("not run" if offset == 9 else "done")
            if offset == 9 or row["category"] == "7":
                assert row["AP"] == ""
            else:
                assert float(row["AP"]) == 100 * ((int(row["category"]) + offset) / 100)


def test_a_panels_ap_is_that_of_its_metrics(results):
    found = panels(Results("figure_a2", "smoke"))
    assert list(found) == [
        ("Mask R-CNN", "random"),
        ("Mask R-CNN", "RFS"),
        ("Cascade", "random"),
        ("Cascade", "RFS"),
    ]
    cell = found["Cascade", "RFS"][3]
    assert (cell.evaluation, cell.method) == ("cascade_rfs_seesaw", "Seesaw")
    whole = metrics(15)["segm"]
    assert cell.overall == {
        "AP": 100 * whole["AP"], "AP_r": None, "AP_c": 20.0, "AP_f": 30.0, "AP_box": 40.0,
    }  # fmt: skip


def test_running_mean():
    nan = np.nan
    values = np.array([1.0, 2.0, 6.0, nan, 10.0])
    expected = [1.5, 3.0, 4.0, nan, 10.0]
    np.testing.assert_array_equal(running_mean(values, 3), expected)
    np.testing.assert_array_equal(running_mean(values, 1), values)


def test_a_cell_that_the_paper_does_not_have_is_refused(results):
    own = '  own:\n    schedule: 2x\n    cell: {figure_a2: "Mask R-CNN, random, EQL"}\n'
    replace(paths.EXPERIMENTS, "\nevaluations:", f"{own}\nevaluations:", 1)
    with pytest.raises(UserError, match=r"Figure A2 .*\bown;"):
        panels(Results("figure_a2", "smoke"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("'Mask R-CNN, RFS, EQL'", "'Mask RCNN, RFS, EQL'", "5 .*Mask RCNN, RFS"),
        ("'Mask R-CNN, RFS, EQL'", "'Mask R-CNN, RFS, BAGS'", "two .*RFS, BAGS"),
    ],
)
def test_a_label_that_fits_no_panel_is_refused(results, old, new, said):
    """Its curve would be left out of the figure, or drawn over another."""
    replace(paths.EXPERIMENTS, old, new)
    with pytest.raises(UserError, match=said):
        panels(Results("figure_a2", "smoke"))


@pytest.mark.parametrize("label", ["EQL", "Seesaw Loss"])
@pytest.mark.parametrize("figure", ["figure_a1", "error_analysis"])
def test_a_third_curve_beside_the_two_losses_is_refused(results, figure, label):
    """It would have no colour, or take the place of the other."""
    own = f"  - {{place: {figure}, evaluation: mask_rcnn_rfs_eql, label: {label}}}"
    replace(paths.EXPERIMENTS, "\ncells:\n", f"\ncells:\n{own}\n", 1)
    with pytest.raises(UserError, match=f"{figure} .*'{label}'"):
        Results(figure, "smoke")
