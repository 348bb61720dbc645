"""Prints a preflight on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seesaw.core import borders
from seesaw.spec.scales import Scale

if TYPE_CHECKING:
    from seesaw.cli.checks.preflight_report import Report

_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("–", "yellow")}


def render(report: Report, scale: Scale, console: Console | None = None) -> None:
    """Print the checks, a line for each training, and the verdict."""
    console = console or borders.console()
    console.print(Text(f"Preflight of {scale.full_name}: dataset {scale.entry.name}", style="bold"))
    for check in report.checks:
        mark, style = _MARKS[check.ok]
        line = Text.assemble((mark, style), f" {check.name}: {check.text}")
        console.print(line, soft_wrap=True)
    console.print(_trainings(report))
    for row in report.rows:
        for fault in row.faults:
            console.print(Text(f"✗ {row.name}: {fault}", style="bold red"), soft_wrap=True)
    memory = "unknown" if report.memory is None else f"{report.memory:g} GB"
    note = (
        "GMAC: detection on 800 x 1216 px, 1,000 boxes, 300 masks. batch: GPUs x images x passes. "
        f"GB: of one GPU in training, fp32, estimated to a quarter; the GPU's: {memory}."
    )
    console.print(Text(note, style="dim"))
    skipped = sum(c.ok is None for c in report.checks)
    left = f", {skipped} not checked (–)" if skipped else ""
    wrong = sum(c.ok is False for c in report.checks) + sum(len(r.faults) for r in report.rows)
    said = ("green", "bold green") if report.green else (f"red: {wrong} wrong", "bold red")
    console.print(Text.assemble(said, left))


def _trainings(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("")
    table.add_column("training")
    for head in ("M params", "GMAC", "train px", "iterations", "batch", "GB"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in report.rows:
        mark, style = _MARKS[not row.faults]
        cells = [""] * 6
        if row.size:
            macs = row.size.macs
            image = macs["backbone"] + macs["neck"] + macs["rpn"]
            total = image + 1000 * macs["box"] + 300 * macs["mask"]
            height, width = row.size.train_px
            cells = [f"{row.size.parameters / 1e6:,.3f}", f"{total / 1e9:,.0f}"]
            cells += [f"{height} x {width}", f"{row.iterations:,}" if row.iterations else "–"]
            batch = (max(report.gpus, 1), row.images, row.passes)
            known = [str(n) for n in batch if n is not None] if row.images else ["–"]
            cells.append(" x ".join(known))
            cells.append(f"{row.gigabytes:.0f}" if row.gigabytes else "–")
        table.add_row(Text(mark, style=style), row.name, *cells)
    return table
