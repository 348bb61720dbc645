"""Tables as data: rows, cells, increments, and what may be compared with the paper.

Pure functions on plain numbers; `seesaw.reporting.render` turns a table into files.

Rounding: the paper prints one decimal, and so do the tables. Python rounds the exact binary value
to nearest and breaks ties to even, so 0.25 prints as 0.2; the paper does not say how it rounds.
An increment is the difference of unrounded values, so it can differ by 0.1 from the difference of
the two printed ones.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

State = Literal["done", "failed", "not run", "not built"]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class Row:
    """A rung or method and what is known about it.

    Attributes:
        id: evaluation id.
        label: text of the first column.
        schedule: as printed ("2x").
        state: of the evaluation.
        metrics: column -> AP in percent or fps, at full precision. None marks a value that is
            undefined (no such category in the ground truth); a missing column was not measured.
        paper: column -> printed value, and ``increments``: column -> printed increment.
        note: printed below the table, for instance why the row failed.
        states: column -> state, where one column is made by a run of its own (fps).
    """

    id: str
    label: str
    schedule: str
    state: State
    metrics: dict[str, float | None] | None = None
    paper: dict[str, Any] | None = None
    note: str = ""
    states: dict[str, State] = dataclasses.field(default_factory=dict)

    def column_state(self, column: str) -> State:
        """State of one cell; a column without a number was not run."""
        state = self.states.get(column, self.state)
        return "not run" if state == "done" and column not in (self.metrics or {}) else state

    def value(self, column: str) -> float | None:
        """Our value; None unless the cell is done and defined."""
        return (self.metrics or {}).get(column) if self.column_state(column) == "done" else None


@dataclass(frozen=True, config=_STRICT)
class Cell:
    """One number with all that a reader needs to judge it (AP in percent, or fps)."""

    state: State
    ours: float | None = None
    paper: float | None = None
    increment: float | None = None
    paper_increment: float | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether both increments have one sign; zero agrees with zero only. None: no pair."""
        if self.increment is None or self.paper_increment is None:
            return None
        return _sign(self.increment) == _sign(self.paper_increment)


@dataclass(frozen=True, config=_STRICT)
class Table:
    """A table of the paper at one scale.

    Attributes:
        name: id of the place ("table_a1"), stem of the files.
        title: caption.
        scale: its name; levels are compared with the paper's at paper scale only.
        columns: keys in order: "schedule", "AP", "AP_r", "AP_c", "AP_f", "AP_box", "fps".
        rows: in order; an increment is the difference to the row above.
        heading: head of the first column.
        increments: columns that show increments.
        test_dev: state or score of the test-dev submission; None: no such line.
        paper_test_dev: the paper's test-dev AP in percent.
        notes: further lines below the table.
    """

    name: str
    title: str
    scale: Literal["smoke", "mini", "single_gpu", "paper"]
    columns: list[str]
    rows: list[Row]
    heading: str = "Method"
    increments: list[str] = dataclasses.field(default_factory=list)
    test_dev: str | None = None
    paper_test_dev: float = 38.92
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """The columns that hold numbers."""
        return [c for c in self.columns if c != "schedule"]

    @property
    def levels_comparable(self) -> bool:
        """Whether our values may stand beside the paper's."""
        return self.scale == "paper"


def cells(table: Table) -> list[dict[str, Cell]]:
    """Per row: column -> cell. The paper's level is in a cell at paper scale only."""
    result = []
    for above, row in zip([None, *table.rows[:-1]], table.rows, strict=True):
        paper = row.paper or {}
        result.append({})
        for column in table.metrics:
            has_increment = column in table.increments and above is not None
            ours = row.value(column)
            before = above.value(column) if has_increment else None
            result[-1][column] = Cell(
                state=row.column_state(column),
                ours=ours,
                paper=paper.get(column) if table.levels_comparable else None,
                increment=None if ours is None or before is None else ours - before,
                paper_increment=paper.get("increments", {}).get(column) if has_increment else None,
            )
    return result


def missing(table: Table) -> dict[str, int]:
    """State -> number of cells in it, for cells that are not done."""
    states = Counter(cell.state for row in cells(table) for cell in row.values())
    return {s: states[s] for s in ("failed", "not run", "not built") if states[s]}


def as_dict(table: Table) -> dict:
    """The table with its cells, ready for JSON; `from_dict` reads it back."""
    plain = dataclasses.asdict(table)
    for row, row_cells in zip(plain["rows"], cells(table), strict=True):
        row["cells"] = {
            column: dataclasses.asdict(cell) | {"agrees": cell.agrees}
            for column, cell in row_cells.items()
        }
    return plain


def from_dict(plain: dict) -> Table:
    """The table of `as_dict`; cells are computed again."""
    rows = [{k: v for k, v in row.items() if k != "cells"} for row in plain["rows"]]
    return Table(**plain | {"rows": rows})


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)
