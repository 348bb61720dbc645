"""The types of errors of several evaluations, side by side in the terminal."""

from __future__ import annotations

from rich.table import Table

from seesaw.core.borders import listing
from seesaw.spec.outputs import Errors


def render(found: dict[str, Errors]) -> Table:
    """Return a table for the terminal, in percent: AP50 and costs of each evaluation by group."""
    groups = {"all": "AP50", "r": "AP50_r", "c": "AP50_c", "f": "AP50_f"}
    table = listing("", "", *groups.values(), numbers=groups.values())
    for name, content in found.items():
        rows = {"AP50": content["AP50"]} | content["cost"]
        for n, (kind, values) in enumerate(rows.items()):
            shown = [values[group] for group in groups]
            form = "{:+.1f}" if n else "{:.1f}"
            cells = ("-" if value is None else form.format(100 * value) for value in shown)
            table.add_row("" if n else name, f"mend {kind}" if n else "", *cells)
    return table
