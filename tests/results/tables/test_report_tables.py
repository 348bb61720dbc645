"""Cells, increments and what may be compared, on hand-made tables."""

import dataclasses
import json

import pytest
from facts import lacks
from pydantic import ValidationError
from small_table import error, small

from seesaw.results.tables.formats import as_json
from seesaw.results.tables.layout import columns, heading, increment, number, remarks
from seesaw.results.tables.tables import Number, Row, Table, missing
from seesaw.results.tables.verdicts import Spread


def table(rows, scale="mini", **kwargs):
    columns = ["schedule", "AP", "AP_r", "AP_box"]
    return Table("table_a1", "Steps", scale, columns, rows, "Step", ["AP", "AP_box"], **kwargs)


def row(name, ap=None, state="done", paper=None, **kwargs):
    metrics = None if ap is None else {"AP": ap, "AP_r": 1.0, "AP_box": ap + 1.0}
    return Row(name, name, "2x", state, metrics, paper, **kwargs)


PAPER = {"AP": 18.9, "AP_r": 0.7, "AP_box": 20.2, "increments": {"AP": 0.2, "AP_box": 0.1}}


def test_an_increment_is_the_difference_of_unrounded_values():
    # 10.04 prints as 10.0 and 10.16 as 10.2, yet the increment is +0.1, not +0.2.
    _, step = table([row("a", 10.04), row("b", 10.16)]).cells[1]["AP"]
    assert step.ours == 10.16 - 10.04
    assert (number(10.04), number(10.16), increment(step.ours)) == ("10.0", "10.2", "+0.1")


def test_increments_exist_only_in_their_columns_and_below_a_row():
    first, second = table([row("a", 1.0, paper=PAPER), row("b", 2.0, paper=PAPER)]).cells
    assert first["AP"][1] == second["AP_r"][1] == Number("done")
    assert second["AP_box"][1][:3] == ("done", 1.0, 0.1)


@pytest.mark.parametrize("state", ["failed", "not run", "not built"])
def test_a_missing_row_takes_its_own_and_the_next_increment(state):
    rows = [row("a", 1.0), row("b", 5.0, state), row("c", 2.0), row("d", 4.0)]
    ap = [r["AP"] for r in table(rows).cells]
    assert [step.ours for _, step in ap] == [None, None, None, 2.0]
    assert [value.ours for value, _ in ap] == [
        1.0,
        None,
        2.0,
        4.0,
    ]  # numbers of a failed run do not show
    assert missing(table(rows)) == {state: 3}


def pair(ours, paper, images, scale):
    """The AP cells of a row whose increment is ``ours`` where the paper prints ``paper``."""
    printed = {"AP": 20.0 + paper, "increments": {"AP": paper}}
    above = row("a", 20.0, errors={"AP": error(0.2)})
    steps = {"AP": error(images, value=ours)}
    below = row("b", 20.0 + ours, paper=printed, errors={"AP": error(0.2)}, steps=steps)
    return table([above, below], scale).cells[1]["AP"]


@pytest.mark.parametrize(
    ("scale", "level", "step"),
    [("smoke", None, None), ("mini", None, "reproduced"), ("paper", "reproduced", "reproduced")],
)
def test_a_scale_judges_what_it_can_compare(scale, level, step):
    both = pair(5.0, 5.1, 0.1, scale)
    assert [cell.verdict for cell in both] == [level, step]
    for cell in both:
        assert cell.difference == (None if scale != "paper" else pytest.approx(-0.1))


def test_what_is_missing_says_why_instead_of_a_verdict():
    printed = {"AP": 1.0, "AP_box": 1.0, "increments": {"AP": 0.5}}
    rows = [row("a", 1.0, "failed", printed), row("b", 2.0, paper=printed)]
    rows += [row("c", None, "not built", printed), row("d", 1.0, paper=printed)]
    made = [r["AP"] for r in table(rows, "paper").cells]
    assert [value.verdict for value, _ in made] == ["failed", None, "not built", None]
    assert [step.verdict for _, step in made] == [None, "failed", "not built", "not built"]


def test_a_table_pools_the_spread_of_its_rows():
    rows = [
        row("a", 1.0, errors={"AP": error(0.1, seeds=3, spread=0.3)}),
        row("b", 1.0, errors={"AP": error(0.1, seeds=3, spread=0.1), "AP_r": error(0.5)}),
    ]
    spreads = table(rows, "paper").spreads
    assert spreads["AP"] == Spread(round(0.05**0.5, 6), assumed=False)
    assert spreads["AP_r"] == Spread(1.0, assumed=True)
    assert table(rows, "mini").spreads.keys() == {"AP"}  # only increments are judged there
    assert table(rows, "smoke").spreads == {}


def test_a_training_that_a_table_shows_twice_counts_once():
    known = {"errors": {"AP": error(0.1, seeds=3, spread=0.1)}}
    rows = [
        row(name, 1.0, **known, evidence={0: f"{training}/seed0/{name}/metrics.json"})
        for name, training in (("a", "a"), ("b", "b"), ("a_again", "a"))
    ]
    assert table(rows, "paper").spreads["AP"] == Spread(0.1, assumed=False)  # 2 + 2 degrees
    assert table([rows[0], rows[2]], "paper").spreads["AP"] == Spread(0.3, assumed=True)


def test_another_dataset_at_paper_scale_is_not_compared_with_the_paper():
    made = table([row("a", 20.0, paper=PAPER)], "paper", dataset="own")
    assert made.cells[0]["AP"][0].paper is None
    assert not lacks(heading(made), "Table A1", "Steps", "paper", "own")
    assert not lacks(remarks(made)[0], "paper", "other data")
    small = remarks(table([row("a", 20.0)], "mini", dataset="own"))[0]
    assert "other data" in small and "reduced data" not in small


def test_increments_on_another_dataset_are_shown_and_not_judged():
    judged = {"errors": {"AP": error(0.1)}, "paper": PAPER}
    made = table([row("a", 1.0, **judged), row("b", 9.0, **judged)], dataset="own")
    _, step = made.cells[1]["AP"]
    assert (step.ours, step.paper, step.verdict, made.spreads) == (8.0, 0.2, None, {})
    assert any("paper Δ" in line and "not judged" in line for line in remarks(made))


def test_a_table_without_numbers_of_the_paper_says_nothing_of_verdicts_and_claims():
    errors = {"errors": {"AP": error(0.1)}, "steps": {"AP": error(0.1, 8.0)}}
    own = [row("a", 1.0, **errors), row("b", 9.0, **errors)]
    known = [own[0], dataclasses.replace(own[1], paper=PAPER)]
    for rows, shown in ((own, False), (known, True)):
        made = table(rows)
        assert made.cells[1]["AP"][1].ours == 8.0
        assert any(column.key == "delta" for column in columns(made)) is shown
        for word in ("paper Δ", "✓", "docs/claims.md"):
            assert any(word in line for line in remarks(made)) is shown


def test_the_number_of_seeds_is_that_of_each_row():
    for others, said in ((3, "and 3 seeds a row."), (5, "a 3, b 5)."), (1, "(a 3; the others 1).")):
        seeds = {"a": 3, "b": others}
        rows = [row(name, 1.0, errors={"AP": error(0.1, seeds=n)}) for name, n in seeds.items()]
        assert any(line.endswith(said) for line in remarks(table(rows)))


def test_undefined_is_not_missing_and_unmeasured_is_not_run():
    undefined = Row("a", "a", "2x", "done", {"AP": 1.0, "AP_r": None, "AP_box": 2.0})
    assert missing(table([undefined])) == {}
    assert table([undefined]).cells[0]["AP_r"][0] == Number("done")
    unmeasured = Row("a", "a", "2x", "done", {"AP": 1.0, "AP_box": 2.0})
    assert missing(table([unmeasured])) == {"not run": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    # Exact ties go to even; 0.35 lies below the tie in binary, 0.15 too.
    [(0.25, "0.2"), (0.75, "0.8"), (0.35, "0.3"), (38.92, "38.9"), (0.0, "0.0"), (None, "–")],
)
def test_one_decimal(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(6.94, "+6.9"), (-0.26, "-0.3"), (0.02, "+0.0"), (-0.02, "-0.0"), (0.0, "0.0"), (-0.0, "0.0")],
)
def test_signed_increments(value, text):
    assert increment(value) == text


def test_json_holds_the_table_and_its_cells():
    made = json.loads(as_json(small()))
    assert made["test_dev"] == "not submitted"
    second = made["rows"][1]
    assert second["remarks"] == ["accepted: a cell of another fingerprint"]
    cell = second["cells"]["AP"]
    assert (cell["ours"], cell["increment"], cell["paper_increment"]) == (10.16, 0.12, 0.2)
    error = dict(se=0.5, images=0.5, half_width=0.98, seeds=1, spread=None)
    assert cell["increment_error"] == error
    # 2 * sqrt(0.5^2 + 2 * 1.6^2), with the spread of two trainings
    judged = dict(verdict="within noise", margin=None, bound=4.634652)
    assert cell["increment_judged"] == judged
    assert (cell["verdict"], cell["increment_verdict"]) == (None, "within noise")


@pytest.mark.parametrize("wrong", [{"state": "maybe"}, {"metrics": {"AP": float("nan")}}])
def test_rows_are_checked(wrong):
    with pytest.raises(ValidationError):
        Row(**dataclasses.asdict(row("a", 1.0)) | wrong)
