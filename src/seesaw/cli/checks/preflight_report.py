"""The results of a preflight: checks, a row for each training, and the page that shows them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seesaw.core import borders
from seesaw.models.sizes import Size
from seesaw.spec.expected import FILE
from seesaw.spec.scales import Scale

_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("–", "yellow")}


@dataclass(frozen=True)
class Check:
    """One comparison; ``ok`` is None where it could not be made, and ``text`` says why."""

    name: str
    ok: bool | None
    text: str


@dataclass
class Row:
    """The properties of one training; ``faults`` are sentences, empty if there is no fault."""

    name: str
    size: Size | None = None
    iterations: int | None = None
    images: int | None = None
    passes: int | None = None
    gigabytes: float | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All checks of a scale."""

    checks: list[Check]
    rows: list[Row]
    gpus: int
    memory: float | None

    @property
    def green(self) -> bool:
        """Whether no check failed."""
        return all(c.ok is not False for c in self.checks) and not any(r.faults for r in self.rows)


def same(name: str, found: Any, expected: Any) -> Check:
    """Compare two values and show them as one if they are equal."""
    ok, text = found == expected, spelled(found)
    return Check(name, ok, text if ok else f"{text}, but {FILE} says {spelled(expected)}")


def spelled(value: Any) -> str:
    """Format a value as the page shows it."""
    if isinstance(value, int):
        return f"{value:,}"
    return "/".join(map(str, value)) if isinstance(value, list) else json.dumps(value)


def print_report(report: Report, scale: Scale, console: Console | None = None) -> None:
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
    numbers = ("M params", "GMAC", "train px", "iterations", "batch", "GB")
    table = borders.listing("", "training", *numbers, numbers=numbers)
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
