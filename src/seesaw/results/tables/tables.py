"""Tables as data: rows, cells, increments, and which values may be compared with the paper.

All are pure functions on plain numbers; `seesaw.results.tables.render` writes a table to files,
and `seesaw.results.tables.verdicts` judges differences from the paper.

Rounding: the paper prints one decimal, and so do the tables. Python rounds the exact binary value
to nearest and breaks ties to even, so 0.25 prints as 0.2; the paper does not say how it rounds.
An increment is the difference between unrounded values, so it can differ by 0.1 from the
difference between the two printed ones.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from seesaw.results.tables.verdicts import Error, Judged, Spread, Step, judge, pooled_spread

State = Literal["done", "failed", "not run", "not built"]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class Row:
    """A rung of Table A1 or a method, and its results.

    Attributes:
        id: id of the evaluation.
        label: text of the first column.
        schedule: schedule as printed ("2x").
        state: state of the evaluation.
        metrics: column -> AP in percent or fps, at full precision. None marks a value that is
            undefined (no such category in the ground truth); a missing column was not measured.
        paper: column -> printed value, and ``increments``: column -> printed increment.
        note: text printed below the table, for instance why the row failed.
        states: column -> state, where a job of its own measures the column (fps).
        errors: column -> error of its value.
        steps: column -> increment to the row above, with its error.
        remarks: sentences that a reader of the row's numbers must know.
        evidence: seed -> record of its metrics, relative to the scale's results.
    """

    id: str
    label: str
    schedule: str
    state: State
    metrics: dict[str, float | None] | None = None
    paper: dict[str, Any] | None = None
    note: str = ""
    states: dict[str, State] = dataclasses.field(default_factory=dict)
    errors: dict[str, Error] = dataclasses.field(default_factory=dict)
    steps: dict[str, Step] = dataclasses.field(default_factory=dict)
    remarks: list[str] = dataclasses.field(default_factory=list)
    evidence: dict[int, str] = dataclasses.field(default_factory=dict)

    def column_state(self, column: str) -> State:
        """Return the state of one cell; a column without a number was not run."""
        state = self.states.get(column, self.state)
        return "not run" if state == "done" and column not in (self.metrics or {}) else state

    def value(self, column: str) -> float | None:
        """Return our value; None unless the cell is done and defined."""
        return (self.metrics or {}).get(column) if self.column_state(column) == "done" else None


@dataclass(frozen=True, config=_STRICT)
class Cell:
    """One number with everything that is needed to judge it (AP in percent, or fps).

    Attributes:
        state: state of the value.
        ours: our value.
        paper: the paper's value.
        difference: our value minus the paper's.
        increment: our value minus that of the row above.
        paper_increment: the paper's increment.
        increment_difference: our increment minus the paper's, at paper scale only.
        error: error of our value.
        increment_error: error of our increment.
        judged: verdict on our value against the paper's.
        increment_judged: verdict on our increment against the paper's.
        increment_state: the first state other than done among those of this row and the row above.
    """

    state: State
    ours: float | None = None
    paper: float | None = None
    difference: float | None = None
    increment: float | None = None
    paper_increment: float | None = None
    increment_difference: float | None = None
    error: Error | None = None
    increment_error: Error | None = None
    judged: Judged | None = None
    increment_judged: Judged | None = None
    increment_state: State = "done"

    @property
    def verdict(self) -> str | None:
        """The verdict on the value, or why there is no value; None where it is not judged."""
        return _verdict(self.state, self.judged)

    @property
    def increment_verdict(self) -> str | None:
        """The verdict on the increment, or why there is none; None where it is not judged."""
        if self.paper_increment is None:
            return None
        return _verdict(self.increment_state, self.increment_judged)


@dataclass(frozen=True, config=_STRICT)
class Table:
    """A table of the paper at one scale.

    Attributes:
        name: id of the table ("table_a1"), stem of its files.
        title: caption.
        scale: name of the scale; values are compared with the paper's at paper scale only.
        columns: keys in order: "schedule", "AP", "AP_r", "AP_c", "AP_f", "AP_box", "fps".
        rows: rows in order; an increment is the difference to the row above.
        heading: head of the first column.
        increments: the columns that show increments.
        test_dev: state or score of the test-dev submission; None if the table has no such line.
        paper_test_dev: the paper's test-dev AP in percent.
        notes: further lines below the table.
        dataset: name of the dataset where it is not the scale's own; else None.
    """

    name: str
    title: str
    scale: Literal["smoke", "mini", "single_gpu", "paper"]
    columns: Sequence[str]
    rows: list[Row]
    heading: str = "Method"
    increments: Sequence[str] = dataclasses.field(default_factory=list)
    test_dev: str | None = None
    paper_test_dev: float = 38.92
    notes: list[str] = dataclasses.field(default_factory=list)
    dataset: str | None = None

    @property
    def metrics(self) -> list[str]:
        """The columns that hold numbers."""
        return [c for c in self.columns if c != "schedule"]

    @property
    def levels_comparable(self) -> bool:
        """Whether our values may be compared with the paper's."""
        return self.scale == "paper" and self.dataset is None

    @property
    def spreads(self) -> dict[str, Spread]:
        """The run-to-run spread used for each column's verdicts; empty where nothing is judged."""
        columns = {c for row in self.rows for c in row.errors}
        found = {
            c: pooled_spread([r.errors[c] for r in self.rows if c in r.errors], c, self.scale)
            for c in self.metrics
            if c in columns and (self.levels_comparable or c in self.increments)
        }
        return {c: spread for c, spread in found.items() if spread}


def cells(table: Table) -> list[dict[str, Cell]]:
    """Return column -> cell for each row; cells have the paper's value at paper scale only."""
    spreads = table.spreads
    return [
        {column: _cell(table, above, row, column, spreads.get(column)) for column in table.metrics}
        for above, row in zip([None, *table.rows[:-1]], table.rows, strict=True)
    ]


def _cell(table: Table, above: Row | None, row: Row, column: str, spread: Spread | None) -> Cell:
    printed = row.paper or {}
    ours = row.value(column)
    paper = printed.get(column) if table.levels_comparable else None
    error = row.errors.get(column) if ours is not None else None
    has_increment = column in table.increments and above is not None
    before = above.value(column) if above and has_increment else None
    increment = _minus(ours, before)
    if step := row.steps.get(column) if increment is not None else None:
        increment = step.value
    states = [r.column_state(column) for r in (row, above) if r is not None]
    paper_step = printed.get("increments", {}).get(column) if has_increment else None
    judged = None
    if paper is not None and ours is not None and error and spread:
        judged = judge(ours, paper, error, spread)
    increment_judged = None
    if paper_step is not None and step and spread:
        sign_only = not table.levels_comparable
        given = (step.value, paper_step, step.error, spread, step.trainings, sign_only)
        increment_judged = judge(*given)
    return Cell(
        state=row.column_state(column),
        ours=ours,
        paper=paper,
        difference=_minus(ours, paper),
        increment=increment,
        paper_increment=paper_step,
        increment_difference=_minus(increment, paper_step) if table.levels_comparable else None,
        error=error,
        increment_error=step.error if step else None,
        judged=judged,
        increment_judged=increment_judged,
        increment_state=next((s for s in states if s != "done"), "done"),
    )


def missing(table: Table) -> dict[str, int]:
    """Return state -> number of cells in it, for cells that are not done."""
    states = Counter(cell.state for row in cells(table) for cell in row.values())
    return {s: states[s] for s in ("failed", "not run", "not built") if states[s]}


def as_dict(table: Table) -> dict:
    """Return the table with its cells, ready for JSON; `from_dict` reads it back."""
    plain = dataclasses.asdict(table)
    for row, row_cells in zip(plain["rows"], cells(table), strict=True):
        row["cells"] = {
            column: dataclasses.asdict(cell)
            | {"verdict": cell.verdict, "increment_verdict": cell.increment_verdict}
            for column, cell in row_cells.items()
        }
    return plain


def from_dict(plain: dict) -> Table:
    """Return the table of `as_dict`; its cells are computed again."""
    rows = [{k: v for k, v in row.items() if k != "cells"} for row in plain["rows"]]
    return Table(**plain | {"rows": rows})


def _verdict(state: State, judged: Judged | None) -> str | None:
    return state if state != "done" else judged.verdict if judged else None


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
