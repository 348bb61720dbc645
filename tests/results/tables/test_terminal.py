"""The full table in a terminal: nothing is cut, and only labels are broken."""

import io

import pytest
from rich.console import Console
from small_table import error

from seesaw.results.tables.render import render_terminal, text
from seesaw.results.tables.tables import Row, Table
from seesaw.spec import paper


def full_size(scale):
    """Table A1 with the paper's own values as ours, the longest labels, half of it missing."""
    values = paper.load().table_a1
    label = "+ Training-time augmentation"
    rows = []
    for i, name in enumerate(values):
        printed = values[name].model_dump(exclude_none=True)
        metrics = {k: v for k, v in printed.items() if k != "increments"}
        state = ("done", "done", "not built", "not run")[i % 4]
        errors = {column: error(1.1) for column in metrics}
        steps = {column: error(1.2, 10.5) for column in ("AP", "AP_box")}
        metrics = metrics if state == "done" else None
        rows.append(Row(name, label, "45e", state, metrics, printed, errors=errors, steps=steps))
    columns = ["schedule", "AP", "AP_r", "AP_c", "AP_f", "AP_box"]
    return Table("table_a1", "Steps", scale, columns, rows, "Modification", ["AP", "AP_box"])


@pytest.mark.parametrize("scale", ["mini", "paper"])
def test_the_full_table_fits_100_columns_unbroken(scale):
    lines = text(full_size(scale)).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("+ Training-time augmentation 45e" in line for line in lines) == 12
    assert "…" not in "".join(lines)


def test_a_narrow_terminal_breaks_labels_only():
    out = io.StringIO()
    render_terminal(full_size("mini"), Console(file=out, width=80, color_system=None))
    shown = out.getvalue()
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    assert shown.count("not built") == 3 + 1  # rows and banner
