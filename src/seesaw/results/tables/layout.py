"""The text of a table, cell by cell and without markup, shared by all formats.

A cell has up to three lines: our value, its standard error and, at paper scale, the paper's value
with our verdict. At other scales the paper's value is not shown; a column that shows increments is
followed by "paper Δ", the paper's increment with our verdict.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

from seesaw.core.borders import plain
from seesaw.results.tables.tables import Number, Row, Table, missing
from seesaw.results.tables.verdicts import ASSUMED, MARKS, SOURCES

Kind = Literal["text", "break", "state", "se", "paper", "good", "noise", "bad"]
KINDS: dict[str, Kind] = {"reproduced": "good", "within noise": "noise", "not reproduced": "bad"}
UNKNOWN = "–"


class Span(NamedTuple):
    """A piece of a cell and its kind; a "break" begins a new line."""

    text: str
    kind: Kind = "text"


BREAK = Span("", "break")


class Column(NamedTuple):
    """A printed column: a key of `Table.columns`, "label", or "delta" for the paper's increment."""

    key: str
    metric: str | None = None

    @property
    def numeric(self) -> bool:
        """Whether the column is right-aligned."""
        return self.key not in ("label", "schedule")


def columns(table: Table) -> list[Column]:
    """Return the printed columns in order."""
    result = [Column("label")]
    for key in table.columns:
        result.append(Column(key, None if key == "schedule" else key))
        if key in table.deltas:
            result.append(Column("delta", key))
    return result


def grid(table: Table) -> list[list[list[Span]]]:
    """Return the rows, as cells of spans, parallel to `columns`."""
    numbers = _numbered(table)
    return [
        [_spans(table, row, row_cells, column, numbers) for column in columns(table)]
        for row, row_cells in zip(table.rows, table.cells, strict=True)
    ]


def heading(table: Table) -> str:
    """Return name, title and scale on one line."""
    name = table.name.replace("_", " ").title()
    where = f"{table.scale} scale" + (f", {table.dataset}" if table.dataset else "")
    return f"{name}: {one_line(table.title)} ({where})"


def banner(table: Table) -> str | None:
    """Return a line that says how many cells are missing; None if none is."""
    counts = missing(table)
    if not counts:
        return None
    reasons = ", ".join(f"{n} {state}" for state, n in counts.items())
    total = len(table.rows) * len(table.metrics)
    return f"partial: {sum(counts.values())} of {total} cells missing ({reasons})"


def remarks(table: Table) -> list[str]:
    """Return the lines below the table."""
    if table.levels_comparable:
        lines = ["Cells: ours, its standard error, the paper's with our verdict."]
    else:
        why = "reduced data, model and schedule"
        if table.dataset:
            reduced = "" if table.scale == "paper" else ", reduced model and schedule"
            why = f"other data{reduced}"
        lines = [f"{table.scale} scale: {why}; levels are not comparable with the paper."]
    judged = table.scale in ASSUMED and table.dataset is None
    if any(row.errors for row in table.rows):
        lines.append(f"±: standard error by resampling images{_seeds(table)}.")
    if table.deltas:
        lines.append(f"paper Δ: the paper's increment{'' if judged else ', not judged'}.")
    lines += _legend(table)
    if table.test_dev is not None:
        where = "paper" if table.levels_comparable else "paper, at its own scale"
        lines.append(f"test-dev AP: {one_line(table.test_dev)} ({where}: {table.paper_test_dev})")
    lines += [f"[{number}] {sentence}" for sentence, number in _numbered(table).items()]
    lines += [f"{one_line(r.label)}: {one_line(r.note)}" for r in table.rows if r.note]
    return lines + [one_line(note) for note in table.notes]


def one_line(text: str) -> str:
    """Collapse white space and control characters, so that no text leaves its cell or line."""
    return " ".join(plain(text, len(text)).split())


def number(value: float | None) -> str:
    """Format one decimal as the paper does (ties to even); an en dash where there is no value."""
    return UNKNOWN if value is None else f"{value:.1f}"


def increment(value: float) -> str:
    """Format with sign and one decimal; an increment rounded to zero keeps its sign."""
    return f"{value:+.1f}" if value else "0.0"


def _numbered(table: Table) -> dict[str, int]:
    """Number the sentences of the rows' remarks; equal sentences share one number."""
    sentences = dict.fromkeys(one_line(s) for row in table.rows for s in row.remarks)
    return {sentence: n for n, sentence in enumerate(sentences, start=1)}


def _seeds(table: Table) -> str:
    seeds = {
        one_line(row.label): max(e.seeds for e in row.errors.values())
        for row in table.rows
        if row.errors
    }
    if max(seeds.values()) == 1:
        return ", one run a row"
    if len(set(seeds.values())) == 1:
        return f" and {max(seeds.values())} seeds a row"
    several = ", ".join(f"{label} {n}" for label, n in seeds.items() if n > 1)
    return f" and seeds ({several}{'; the others 1' if min(seeds.values()) == 1 else ''})"


def _legend(table: Table) -> list[str]:
    pairs = [pair for row in table.cells for pair in row.values()]
    compared = any(cell.paper is not None for pair in pairs for cell in pair)
    if not compared or not (spreads := table.spreads):  # rows of one's own, which it does not have
        return []
    signs = "" if table.levels_comparable else "; only the sign counts"
    prior = SOURCES.get(table.scale, "assumed")
    known = ", ".join(
        f"{column} {spread.value:.2g} ({prior if spread.assumed else 'measured'})"
        for column, spread in spreads.items()
    )
    marks = ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
    single = all(e.seeds == 1 for row in table.rows for e in row.errors.values())
    added = ", which verdicts add to ±" if single else ""  # the ± of several seeds has it
    lines = [f"{marks}{signs} (docs/verdicts.md). Run-to-run spread{added}: {known}."]
    for kind, judged in zip(("Levels", "Increments"), zip(*pairs, strict=True), strict=True):
        counts = Counter(cell.verdict for cell in judged if cell.verdict in MARKS)
        if counts:
            verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in MARKS)
            lines.append(f"{kind}: {verdicts}.")
    if table.scale in SOURCES:
        lines.append("docs/claims.md tests the increments over several seeds.")
    return lines


def _spans(
    table: Table,
    row: Row,
    row_cells: dict[str, tuple[Number, Number]],
    column: Column,
    numbers: dict[str, int],
) -> list[Span]:
    if column.key == "label":
        marks = "".join(f" [{numbers[one_line(sentence)]}]" for sentence in row.remarks)
        return [Span(one_line(row.label) + marks)]
    if column.metric is None:
        return [Span(one_line(row.schedule))]
    cell, step = row_cells[column.metric]
    if column.key == "delta":
        return [] if step.paper is None else [Span(increment(step.paper), "paper"), *_mark(step)]
    spans = [Span(number(cell.ours)) if cell.state == "done" else Span(cell.state, "state")]
    spans += _steps(step.ours, "text")
    if any(value.error for value, _ in row_cells.values()):
        spans.append(BREAK)
    if cell.error:
        of_step = f" (±{number(step.error.se)})" if step.error else ""
        spans.append(Span(f"±{number(cell.error.se)}{of_step}", "se"))
    if table.levels_comparable:
        spans += [BREAK, Span(number(cell.paper), "paper"), *_mark(cell)]
        spans += _steps(step.paper, "paper", _mark(step))
    return spans


def _steps(value: float | None, kind: Kind, mark: list[Span] | None = None) -> list[Span]:
    if value is None:
        return []
    return [Span(f" ({increment(value)}", kind), *(mark or []), Span(")", kind)]


def _mark(cell: Number) -> list[Span]:
    mark = MARKS.get(cell.verdict or "")
    return [Span(f" {mark}", KINDS[cell.verdict or ""])] if mark else []
