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
from functools import cached_property
from typing import Any, Literal, NamedTuple

from pydantic.dataclasses import dataclass

from seesaw.evaluation.uncertainty import Estimate
from seesaw.results.tables.verdicts import STRICT, Spread, Verdict, judge, pooled_spread

State = Literal["done", "failed", "not run", "not built"]


@dataclass(frozen=True, config=STRICT)
class Row:
    """A rung of Table A1 or a method, and its results."""

    id: str  # id of the evaluation
    label: str  # text of the first column
    schedule: str  # schedule as printed ("2x")
    state: State  # state of the evaluation
    # column -> AP in percent or fps, at full precision. None marks a value that is undefined (no
    # such category in the ground truth); a missing column was not measured.
    metrics: dict[str, float | None] | None = None
    # column -> printed value, and ``increments``: column -> printed increment
    paper: dict[str, Any] | None = None
    note: str = ""  # text printed below the table, for instance why the row failed
    # column -> its value with errors
    errors: dict[str, Estimate] = dataclasses.field(default_factory=dict)
    # column -> increment to the row above with standard errors, over the seeds that both rows have
    steps: dict[str, Estimate] = dataclasses.field(default_factory=dict)
    # number of trainings that separate the weights from those of the row above: 2 for two models, 1
    # if one was trained starting from the other, 0 for the same weights
    trainings: int = 2
    remarks: list[str] = dataclasses.field(default_factory=list)  # that a reader must know
    # seed -> record, below the results
    evidence: dict[int, str] = dataclasses.field(default_factory=dict)

    def column_state(self, column: str) -> State:
        """Return the state of one cell; a column without a number was not run."""
        done = self.state == "done"
        return "not run" if done and column not in (self.metrics or {}) else self.state

    def value(self, column: str) -> float | None:
        """Return our value; None unless the cell is done and defined."""
        return (self.metrics or {}).get(column) if self.column_state(column) == "done" else None


class Number(NamedTuple):
    """A value or an increment, compared with the paper's (AP in percent, or fps)."""

    # state of the value; of an increment the first other than done among the two rows'
    state: State
    ours: float | None = None  # our value or increment
    paper: float | None = None
    difference: float | None = None  # ours minus the paper's, at paper scale only
    error: Estimate | None = None  # ours with its standard errors
    # verdict on ours against the paper's, or the state where there is no value; None where it is
    # not judged
    verdict: Verdict | State | None = None
    margin: float | None = None  # see `judge`
    bound: float | None = None  # see `judge`; None where it is not judged


@dataclass(frozen=True, config=STRICT)
class Table:
    """A table of the paper at one scale."""

    name: str  # id of the table ("table_a1"), stem of its files
    title: str
    scale: str  # name of the scale; values are compared with the paper's at paper scale only
    columns: Sequence[str]  # keys in order, of `seesaw.spec.metrics.Column`
    rows: list[Row]  # rows in order; an increment is the difference to the row above
    heading: str = "Method"  # head of the first column
    # the columns that show increments
    increments: Sequence[str] = dataclasses.field(default_factory=list)
    # state or score of the test-dev submission; None if the table has no such line
    test_dev: str | None = None
    paper_test_dev: float = 38.92  # the paper's test-dev AP in percent
    notes: list[str] = dataclasses.field(default_factory=list)  # further lines below the table
    dataset: str | None = None  # name of the dataset where it is not the scale's own; else None

    @property
    def metrics(self) -> list[str]:
        """The columns that hold numbers."""
        return [c for c in self.columns if c != "schedule"]

    @property
    def levels_comparable(self) -> bool:
        """Whether our values may be compared with the paper's."""
        return self.scale == "paper" and self.dataset is None

    @property
    def deltas(self) -> list[str]:
        """The columns of which the paper has an increment, shown beside ours at other scales."""
        printed = {c for row in self.rows for c in (row.paper or {}).get("increments", ())}
        return [c for c in self.increments if c in printed and not self.levels_comparable]

    @property
    def spreads(self) -> dict[str, Spread]:
        """The run-to-run spread used for each column's verdicts; empty where nothing is judged."""
        if self.dataset is not None:  # the paper's signs and the assumed spreads are of LVIS
            return {}
        columns = {c for row in self.rows for c in row.errors}
        found = {
            c: pooled_spread(self._repeated(c), c, self.scale)
            for c in self.metrics
            if c in columns and (self.levels_comparable or c in self.increments)
        }
        return {c: spread for c, spread in found.items() if spread}

    @cached_property
    def cells(self) -> list[dict[str, tuple[Number, Number]]]:
        """Each row's column -> value and increment; the paper's values at paper scale only."""
        spreads = self.spreads
        return [
            {
                column: _pair(self, above, row, column, spreads.get(column))
                for column in self.metrics
            }
            for above, row in zip([None, *self.rows[:-1]], self.rows, strict=True)
        ]

    def _repeated(self, column: str) -> list[tuple[int, float]]:
        errors: dict[str, Estimate] = {}
        for row in self.rows:
            if row.trainings and column in row.errors:  # not the same models again
                training = next(iter(row.evidence.values()), row.id).partition("/")[0]
                errors.setdefault(training, row.errors[column])
        return [(e.seeds, e.spread) for e in errors.values() if e.spread is not None]


def _pair(
    table: Table, above: Row | None, row: Row, column: str, spread: Spread | None
) -> tuple[Number, Number]:
    ours, printed, state = row.value(column), row.paper or {}, row.column_state(column)
    paper = printed.get(column) if table.levels_comparable else None
    value = _cell(table, state, ours, paper, row.errors.get(column), spread, 1)
    if above is None:
        return value, Number(state)
    if state == "done":
        state = above.column_state(column)
    if column not in table.increments:
        return value, Number(state)
    step = row.steps.get(column)
    increment = _minus(ours, above.value(column))
    increment = step.value if step and increment is not None else increment
    paper = printed.get("increments", {}).get(column)
    return value, _cell(table, state, increment, paper, step, spread, row.trainings)


def _cell(
    table: Table,
    state: State,
    ours: float | None,
    paper: float | None,
    error: Estimate | None,
    spread: Spread | None,
    trainings: int,
) -> Number:
    error = None if ours is None else error
    judged: tuple = (state if state != "done" and paper is not None else None, None, None)
    if ours is not None and paper is not None and error and spread:
        judged = judge(ours, paper, error, spread, trainings, not table.levels_comparable)
    difference = _minus(ours, paper) if table.levels_comparable else None
    return Number(state, ours, paper, difference, error, *judged)


def missing(table: Table) -> dict[str, int]:
    """Return state -> number of cells in it, for cells that are not done."""
    states = Counter(value.state for row in table.cells for value, _ in row.values())
    return {s: states[s] for s in ("failed", "not run", "not built") if states[s]}


def as_dict(table: Table) -> dict:
    """Return the table with its cells, ready for JSON."""
    plain = dataclasses.asdict(table)
    for row, made, row_cells in zip(plain["rows"], table.rows, table.cells, strict=True):
        apart = row.pop("trainings")
        row["errors"] = {c: _error(e) for c, e in made.errors.items()}
        row["steps"] = {
            c: {"value": e.value, "error": _error(e), "trainings": apart}
            for c, e in made.steps.items()
        }
        row["cells"] = {
            column: {"ours": value.ours, "paper": value.paper}
            | {"increment": step.ours, "paper_increment": step.paper}
            | _judged(value)
            | {f"increment_{name}": fact for name, fact in _judged(step).items()}
            for column, (value, step) in row_cells.items()
        }
    return plain


def _error(error: Estimate | None) -> dict | None:
    if error is None:
        return None
    return {k: v for k, v in dataclasses.asdict(error).items() if k != "value"}


def _judged(cell: Number) -> dict:
    """Return what is known of a number but itself and the paper's."""
    judged = {"verdict": cell.verdict, "margin": cell.margin, "bound": cell.bound}
    return {
        "state": cell.state,
        "difference": cell.difference,
        "error": _error(cell.error),
        "judged": None if cell.bound is None else judged,
        "verdict": cell.verdict,
    }


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
