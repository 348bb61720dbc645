"""A table as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from html import escape

from seesaw.reporting.formats import head
from seesaw.reporting.layout import Column, Span, banner, columns, grid, heading, remarks
from seesaw.reporting.tables import Cell, Table, cells

HEADS = {
    "schedule": "Schedule",
    "AP_r": "AP<sub>r</sub>",
    "AP_c": "AP<sub>c</sub>",
    "AP_f": "AP<sub>f</sub>",
    "AP_box": "AP<sup>box</sup>",
    "delta": "paper Δ",
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60666c; --line: #d5d9dd;
  --page: #ffffff; --good: #18794e; --bad: #c62a2f; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #9aa1a8; --line: #3a4046;
  --page: #16181a; --good: #4cc38a; --bad: #ff8589; --warn: #3d2f10; } }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-block: 2px solid var(--ink); white-space: nowrap; }
caption { text-align: left; font-weight: 600; padding-bottom: .5rem; white-space: normal; }
th, td { padding: .3rem .7rem; text-align: left; font-variant-numeric: tabular-nums; }
.n { text-align: right; }
thead th { border-bottom: 1px solid var(--ink); }
tbody th { font-weight: 400; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
.state { color: var(--soft); font-style: italic; }
.paper, .remarks { color: var(--soft); }
.agree { color: var(--good); }
.disagree { color: var(--bad); }
.partial { background: var(--warn); padding: .5rem .8rem; border-radius: .3rem; }
.remarks { list-style: none; padding: 0; }
"""


def html(table: Table) -> str:
    """The whole document; a value's full precision shows on hover."""
    cols = columns(table)
    warning = banner(table)
    title = escape(heading(table))
    heads = "".join(
        f'<th scope="col"{_class(c)}>{head(table, c, HEADS, escape)}</th>' for c in cols
    )
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
    ]
    lines += [f'<p class="partial">{escape(warning)}</p>'] if warning else []
    lines += [
        '<div class="scroll">',
        "<table>",
        f"<caption>{title}</caption>",
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
    ]
    for row, texts, row_cells in zip(table.rows, grid(table), cells(table), strict=True):
        tds = "".join(
            _cell(column, spans, row_cells) for column, spans in zip(cols, texts, strict=True)
        )
        lines.append(f'<tr id="{escape(row.id)}">{tds}</tr>')
    lines += ["</tbody>", "</table>", "</div>", '<ul class="remarks">']
    lines += [f"<li>{escape(line)}</li>" for line in remarks(table)]
    return "\n".join([*lines, "</ul>", "</html>"]) + "\n"


def _class(column: Column) -> str:
    return ' class="n"' if column.numeric else ""


def _cell(column: Column, spans: list[Span], row_cells: dict[str, Cell]) -> str:
    text = "".join(_span(span) for span in spans)
    if column.key == "label":
        return f'<th scope="row">{text}</th>'
    cell = row_cells.get(column.key)
    hover = f' title="{float(cell.ours)!r}"' if cell is not None and cell.ours is not None else ""
    return f"<td{_class(column)}{hover}>{text}</td>"


def _span(span: Span) -> str:
    if span.kind in ("text", "separator"):
        return escape(span.text)
    return f'<span class="{span.kind}">{escape(span.text)}</span>'
