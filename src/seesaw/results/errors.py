"""The types of errors of several evaluations, side by side in the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table

from seesaw.spec.outputs import Errors


def render(found: dict[str, Errors]) -> Table:
    """Return a table for the terminal, in percent: AP50 and costs of each evaluation by group."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    groups = {"all": "", "r": "_r", "c": "_c", "f": "_f"}
    for n, head in enumerate(("", "", *(f"AP50{end}" for end in groups.values()))):
        table.add_column(head, justify="right" if n > 1 else "left")
    for name, content in found.items():
        rows = {"AP50": content["AP50"]} | content["cost"]
        for n, (kind, values) in enumerate(rows.items()):
            shown = [values[group] for group in groups]
            form = "{:+.1f}" if n else "{:.1f}"
            cells = ("-" if value is None else form.format(100 * value) for value in shown)
            table.add_row("" if n else name, f"mend {kind}" if n else "", *cells)
    return table
