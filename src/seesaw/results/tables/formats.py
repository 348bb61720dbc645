"""Tables as Markdown, LaTeX, CSV and JSON, by pure functions from a table to text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from seesaw.core.borders import csv_text
from seesaw.results.tables.layout import (
    Column,
    Span,
    banner,
    columns,
    grid,
    heading,
    one_line,
    remarks,
)
from seesaw.results.tables.tables import Number, Row, Table, as_dict

HEADS = {"schedule": "Schedule", "AP_box": "AP^box", "delta": "paper Δ"}
LATEX_HEADS = {
    "schedule": "Schedule",
    "AP_r": "AP$_r$",
    "AP_c": "AP$_c$",
    "AP_f": "AP$_f$",
    "AP_box": r"AP$^{\mathrm{box}}$",
    "delta": r"paper $\Delta$",
}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "Δ": r"$\Delta$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "–": "--",
    **{c: f"${c}$" for c in "<>|"},
    **{c: f"{{{c}}}" for c in "[*"},  # else a preceding line break takes them as its argument
    **{c: f"\\{c}" for c in "{}$&#_%"},
}


def head(table: Table, column: Column, heads: dict[str, str], escape: Callable[[str], str]) -> str:
    """Return the markup of a column's head; the first column's text depends on the table."""
    key = column.key
    return escape(one_line(table.heading)) if key == "label" else heads.get(key) or escape(key)


def markdown(table: Table) -> str:
    """Return the table as GitHub-flavoured Markdown: heading, banner, table, list of remarks."""
    cols = columns(table)
    warning = banner(table)
    names = [head(table, c, HEADS, markdown_escape) for c in cols]
    lines = [f"### {markdown_escape(heading(table))}", ""]
    lines += [f"> **{warning}**", ""] if warning else []
    lines.append(f"| {' | '.join(names)} |")
    lines.append(f"| {' | '.join('---:' if c.numeric else ':---' for c in cols)} |")
    for row in grid(table):
        lines.append(f"| {' | '.join(''.join(map(_markdown_span, cell)) for cell in row)} |")
    # A remark may begin with a rung's label ("+ SyncBN"), which would open a nested list.
    below = [re.sub(r"^([-+#])", r"\\\1", markdown_escape(line)) for line in remarks(table)]
    lines += ["", *(f"- {line}" for line in below)]
    return "\n".join(lines) + "\n"


def markdown_escape(text: str) -> str:
    """Escape all characters that are markup inside a line or a table cell."""
    return re.sub(r"([\\`*\[\]<>|~&$]|\b_|_\b)", r"\\\1", text)


def latex(table: Table) -> str:
    r"""Return a ``table*`` environment with booktabs rules, ready for ``\input``."""
    cols = columns(table)
    warning = banner(table)
    heads = [head(table, c, LATEX_HEADS, latex_escape) for c in cols]
    lines = [
        r"% Needs \usepackage{booktabs,amssymb}.",
        r"\begin{table*}[t]",
        r"\centering\footnotesize",
        rf"\caption{{{latex_escape(heading(table))}}}",
        rf"\label{{tab:{table.name}}}",
    ]
    lines += [rf"\textbf{{{latex_escape(warning)}}}\\[2pt]"] if warning else []
    lines += [
        rf"\begin{{tabular}}{{@{{}}{''.join('r' if c.numeric else 'l' for c in cols)}@{{}}}}",
        r"\toprule",
        rf"{' & '.join(heads)} \\",
        r"\midrule",
    ]
    for row in grid(table):
        printed = [list(_latex_lines(cell)) for cell in row]
        printed = [" & ".join(line) + r" \\" for line in zip_longest(*printed, fillvalue="")]
        lines += [*printed[:-1], printed[-1] + ("[2pt]" if len(printed) > 1 else "")]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip {latex_escape(line)}" for line in remarks(table)]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def latex_escape(text: str) -> str:
    """Replace characters that are special to LaTeX, and the tables' own symbols, by commands."""
    return "".join(_LATEX.get(c, c) for c in text)


def as_csv(table: Table) -> str:
    """Return one line per row at full precision; empty where there is no value or no verdict.

    Each column adds ``_se``, ``_spread`` and ``_seeds``. A column with increments also adds
    ``_increment``, its ``_se``, ``_difference``, ``_margin``, ``_bound`` and ``_verdict``, and the
    paper's ``paper_<column>_increment``. At paper scale each value has these columns too.
    """
    records = []
    for row, row_cells in zip(table.rows, table.cells, strict=True):
        record: dict[str, Any] = {"scale": table.scale, "id": row.id, "label": row.label}
        record |= {"schedule": row.schedule, "state": _state(row, table.metrics)}
        for column, (cell, step) in row_cells.items():
            error = cell.error
            record[column] = cell.ours
            if column != "fps":
                record[f"{column}_se"] = error and error.se
                record[f"{column}_spread"] = error and error.spread
                record[f"{column}_seeds"] = error and error.seeds
            if table.levels_comparable:
                record |= _compared(column, cell)
            if column in table.increments:
                name = f"{column}_increment"
                record |= {name: step.ours, f"{name}_se": step.error and step.error.se}
                record |= _compared(name, step)
        record |= {"note": row.note, "remarks": "; ".join(row.remarks)}
        records.append(record | {"evidence": " ".join(row.evidence.values())})
    names = list(records[0]) if records else ["id"]
    return csv_text([names, *(record.values() for record in records)])


def as_json(table: Table) -> str:
    """Return the table with its cells, keys sorted."""
    return json.dumps(as_dict(table), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _markdown_span(span: Span) -> str:
    if span.kind == "break":
        return "<br>"
    text = markdown_escape(span.text)
    return f"*{text}*" if span.kind == "state" else text


def _latex_lines(cell: list[Span]) -> Iterator[str]:
    """Yield the cell's lines, each a row of the ``tabular``."""
    line = ""
    for span in cell:
        if span.kind == "break":
            yield line
            line = ""
        else:
            line += _latex_span(span)
    yield line


def _latex_span(span: Span) -> str:
    if span.kind == "state":
        return rf"\emph{{{span.text}}}"
    text = re.sub(r"[+-]\d+\.\d", r"$\g<0>$", latex_escape(span.text))
    return rf"{{\scriptsize {text}}}" if span.kind == "se" else text


def _compared(name: str, cell: Number) -> dict:
    """Return the columns of a comparison with the paper's ``name``."""
    parts = {part: getattr(cell, part) for part in ("difference", "margin", "bound", "verdict")}
    return {f"paper_{name}": cell.paper} | {f"{name}_{part}": v for part, v in parts.items()}


def _state(row: Row, metrics: list[str]) -> str:
    """Return the row's state and the columns whose state differs: "done; fps: not run"."""
    others = [(m, row.column_state(m)) for m in metrics if row.column_state(m) != row.state]
    return "; ".join([row.state, *(f"{metric}: {state}" for metric, state in others)])
