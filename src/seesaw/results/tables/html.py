"""A table as a single HTML file without scripts, external fonts or network access."""

from __future__ import annotations

from html import escape

from seesaw.results.tables.formats import head
from seesaw.results.tables.layout import Column, Span, banner, columns, grid, heading, remarks
from seesaw.results.tables.tables import Number, Row, Table
from seesaw.results.tables.verdicts import MARKS

HEADS = {
    "schedule": "Schedule",
    "AP_r": "AP<sub>r</sub>",
    "AP_c": "AP<sub>c</sub>",
    "AP_f": "AP<sub>f</sub>",
    "AP_box": "AP<sup>box</sup>",
    "delta": "paper Δ",
}

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60666c; --line: #d5d9dd;
  --page: #ffffff; --good: #18794e; --noise: #8a5300; --bad: #c62a2f; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #9aa1a8; --line: #3a4046;
  --page: #16181a; --good: #4cc38a; --noise: #ffb65c; --bad: #ff8589; --warn: #3d2f10; } }
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
.paper, .se, .remarks { color: var(--soft); }
.se, .runs { font-size: .8em; }
.good { color: var(--good); }
.noise { color: var(--noise); }
.bad { color: var(--bad); }
td a { color: inherit; text-decoration-color: var(--line); }
.partial { background: var(--warn); padding: .5rem .8rem; border-radius: .3rem; }
.remarks { list-style: none; padding: 0; }
"""


def html(table: Table) -> str:
    """Return the whole HTML document.

    Hovering over a value shows its full precision, errors, differences from the paper and
    verdicts; a click opens the record of its evidence, which lies beside the tables' folder.
    """
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(heading(table))}</title>",
        f"<style>{STYLE}</style>",
    ]
    return "\n".join([*lines, fragment(table), "</html>"]) + "\n"


def fragment(table: Table, prefix: str = "") -> str:
    """Return the table with its banner and remarks, for a page one folder below the results.

    ``prefix`` begins the rows' ids, which are otherwise unique within one table only.
    """
    cols = columns(table)
    warning = banner(table)
    heads = "".join(
        f'<th scope="col"{_class(c)}>{head(table, c, HEADS, escape)}</th>' for c in cols
    )
    lines = [f'<p class="partial">{escape(warning)}</p>'] if warning else []
    lines += [
        '<div class="scroll">',
        "<table>",
        f"<caption>{escape(heading(table))}</caption>",
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
    ]
    for row, texts, row_cells in zip(table.rows, grid(table), table.cells, strict=True):
        tds = "".join(
            _cell(row, column, spans, row_cells) for column, spans in zip(cols, texts, strict=True)
        )
        lines.append(f'<tr id="{prefix}{escape(row.id)}">{tds}</tr>')
    lines += ["</tbody>", "</table>", "</div>", '<ul class="remarks">']
    lines += [f"<li>{escape(line)}</li>" for line in remarks(table)]
    return "\n".join([*lines, "</ul>"])


def _class(column: Column) -> str:
    return ' class="n"' if column.numeric else ""


def _cell(
    row: Row, column: Column, spans: list[Span], row_cells: dict[str, tuple[Number, Number]]
) -> str:
    text = "".join(_span(span) for span in spans)
    if column.key == "label":
        return f'<th scope="row">{text}{_runs(row)}</th>'
    if column.metric is None:
        return f"<td{_class(column)}>{text}</td>"
    cell, step = row_cells[column.metric]
    if column.key != "delta" and cell.ours is not None and spans and column.key in row.errors:
        first, rest = _span(spans[0]), "".join(_span(span) for span in spans[1:])
        href = escape(next(iter(row.evidence.values()), ""))
        text = f'<a href="../{href}">{first}</a>{rest}' if href else text
    known = [] if column.key == "delta" else _hover(f"{column.metric} {cell.ours!r}", cell)
    known += _hover(f"increment {step.ours or 0:+.3f}", step)
    title = escape("\n".join(known))
    return f"<td{_class(column)}" + (f' title="{title}"' if title else "") + f">{text}</td>"


def _runs(row: Row) -> str:
    """Return links to the records of all seeds, where there are several."""
    if len(row.evidence) < 2:
        return ""
    links = (f'<a href="../{escape(path)}">seed {seed}</a>' for seed, path in row.evidence.items())
    return f' <span class="runs">{" ".join(links)}</span>'


def _hover(value: str, cell: Number) -> list[str]:
    """Return a line with all that is known about a value or an increment; none without a value."""
    if cell.ours is None:
        return []
    known = [value]
    if error := cell.error:
        known.append(f"SE {error.se:.3f}, {error.seeds} seed{'s' if error.seeds > 1 else ''}")
        known += [] if error.spread is None else [f"spread {error.spread:.3f}"]
    if cell.paper is not None:
        known.append(f"the paper's {cell.paper:g}")
        known += [] if cell.difference is None else [f"difference {cell.difference:+.3f}"]
        margin = "" if cell.margin is None else f"margin {cell.margin:.3f}, "
        known.append(
            f"{margin}significant beyond ±{cell.bound:.3f}: {cell.verdict}"
            if cell.verdict in MARKS
            else "not judged"
        )
    return [", ".join(known)]


def _span(span: Span) -> str:
    if span.kind == "break":
        return "<br>"
    if span.kind == "text":
        return escape(span.text)
    return f'<span class="{span.kind}">{escape(span.text)}</span>'
