"""What a table says, cell by cell, before any markup: shared by all formats.

At paper scale a cell reads "ours / paper". At other scales the paper's level stays out of sight:
a column that shows increments is followed by "paper Δ", the paper's increment with ✓ where ours
has its sign and ✗ where not.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from seesaw.reporting.tables import Cell, Row, Table, cells, missing

Kind = Literal["text", "separator", "state", "paper", "agree", "disagree"]
UNKNOWN = "–"
SEPARATOR = " / "


class Span(NamedTuple):
    """A piece of a cell, and what it is."""

    text: str
    kind: Kind = "text"


class Column(NamedTuple):
    """A printed column: a key of `Table.columns`, "label", or "delta" for the paper's increment."""

    key: str
    metric: str | None = None

    @property
    def numeric(self) -> bool:
        """Whether the column is aligned to the right."""
        return self.key not in ("label", "schedule")


def columns(table: Table) -> list[Column]:
    """The printed columns in order."""
    result = [Column("label")]
    for key in table.columns:
        result.append(Column(key, None if key == "schedule" else key))
        if key in table.increments and not table.levels_comparable:
            result.append(Column("delta", key))
    return result


def grid(table: Table) -> list[list[list[Span]]]:
    """Rows of cells of spans, parallel to `columns`."""
    return [
        [_spans(table, row, row_cells, column) for column in columns(table)]
        for row, row_cells in zip(table.rows, cells(table), strict=True)
    ]


def heading(table: Table) -> str:
    """Name, title and scale on one line."""
    name = table.name.replace("_", " ").title()
    return f"{name}: {one_line(table.title)} ({table.scale} scale)"


def banner(table: Table) -> str | None:
    """One line that says that cells are missing, None if none is."""
    counts = missing(table)
    if not counts:
        return None
    reasons = ", ".join(f"{n} {state}" for state, n in counts.items())
    total = len(table.rows) * len(table.metrics)
    return f"partial: {sum(counts.values())} of {total} cells missing ({reasons})"


def remarks(table: Table) -> list[str]:
    """The lines below the table."""
    if table.levels_comparable:
        lines = ["Cells: ours, then the paper's."]
    else:
        lines = [
            f"{table.scale} scale: reduced data, model and schedule; "
            "levels are not comparable with the paper."
        ]
        if table.increments:
            lines.append(
                "paper Δ: the paper's increment; ✓ ours has the same sign, ✗ ours has not."
            )
    if table.test_dev is not None:
        where = "paper" if table.levels_comparable else "paper, at its own scale"
        lines.append(f"test-dev AP: {one_line(table.test_dev)} ({where}: {table.paper_test_dev})")
    lines += [f"{one_line(r.label)}: {one_line(r.note)}" for r in table.rows if r.note]
    return lines + [one_line(note) for note in table.notes]


def one_line(text: str) -> str:
    """White space collapsed: no text can break out of its cell or line."""
    return " ".join(text.split())


def number(value: float | None) -> str:
    """One decimal as the paper prints it (ties to even); an en dash where there is no value."""
    return UNKNOWN if value is None else f"{value:.1f}"


def increment(value: float) -> str:
    """Signed, one decimal; a rounded-off increment keeps its sign, an exact zero has none."""
    return f"{value:+.1f}" if value else "0.0"


def _with_increment(value: float | None, step: float | None) -> str:
    return number(value) if step is None else f"{number(value)} ({increment(step)})"


def _spans(table: Table, row: Row, row_cells: dict[str, Cell], column: Column) -> list[Span]:
    if column.metric is None:
        return [Span(one_line(row.label if column.key == "label" else row.schedule))]
    cell = row_cells[column.metric]
    if column.key == "delta":
        return _delta(cell)
    done = cell.state == "done"
    spans = [
        Span(_with_increment(cell.ours, cell.increment)) if done else Span(cell.state, "state")
    ]
    if table.levels_comparable:
        paper = _with_increment(cell.paper, cell.paper_increment)
        spans += [Span(SEPARATOR, "separator"), Span(paper, "paper")]
    return spans


def _delta(cell: Cell) -> list[Span]:
    if cell.paper_increment is None:
        return []
    spans = [Span(increment(cell.paper_increment), "paper")]
    if cell.agrees is not None:
        spans += [Span(" "), Span("✓", "agree") if cell.agrees else Span("✗", "disagree")]
    return spans
