"""A table as terminal text and as files; the same table gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from seesaw.core import borders
from seesaw.results.tables.formats import HEADS, as_csv, as_json, head, latex, markdown
from seesaw.results.tables.html import html
from seesaw.results.tables.layout import Column, Span, banner, columns, grid, heading, remarks
from seesaw.results.tables.tables import Table

_STYLES = {"state": "italic dim", "se": "dim", "paper": "dim"}
_STYLES |= {"good": "green", "noise": "yellow", "bad": "red"}


def render_terminal(table: Table, console: Console | None = None) -> None:
    """Print a table within 100 columns.

    Standard errors and the paper's values are printed below ours. A state that fills several
    columns is printed once, followed by ditto marks. The console is by default stdout, 100 columns
    wide if it is no terminal.
    """
    if console is None:
        console = borders.console()
    body = RichTable(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    cols = columns(table)
    for column in cols:
        body.add_column(
            Text(head(table, column, HEADS, str)),
            justify="right" if column.numeric else "left",
            no_wrap=column.numeric,
            overflow="fold",
        )
    for row in grid(table):
        body.add_row(*(Text.assemble(*map(_stacked, cell)) for cell in _dittoed(cols, row)))
    warning = banner(table)
    console.print(Text(heading(table), style="bold"))
    if warning:
        console.print(Text(warning, style="bold yellow"))
    console.print(body)
    for line in remarks(table):
        console.print(Text(line, style="dim"))


def text(table: Table) -> str:
    """Return what `render_terminal` prints at 100 columns, without colours."""
    out = io.StringIO()
    console = borders.console(
        file=out, color_system=None, force_terminal=False, legacy_windows=False
    )
    render_terminal(table, console)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


FORMATS = {
    "txt": text,
    "md": markdown,
    "tex": latex,
    "html": html,
    "csv": as_csv,
    "json": as_json,
}


def differing(table: Table, folder: Path) -> list[Path]:
    """Return a table's files in a folder that are missing or not what the table gives."""
    made = {folder / f"{table.name}.{suffix}": render for suffix, render in FORMATS.items()}
    return [p for p, f in made.items() if not p.is_file() or p.read_bytes() != f(table).encode()]


def _dittoed(cols: list[Column], row: list[list[Span]]) -> list[list[Span]]:
    result, last = [], None
    for column, cell in zip(cols, row, strict=True):
        if column.key != "delta":
            state = next((span.text for span in cell if span.kind == "state"), None)
            if state is not None and state == last:
                cell = [Span('"', "state") if span.kind == "state" else span for span in cell]
            last = state
        result.append(cell)
    return result


def _stacked(span: Span) -> tuple[str, str]:
    return "\n" if span.kind == "break" else span.text, _STYLES.get(span.kind, "")
