"""Show progress as bars on a terminal, and otherwise as a line every half minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from seesaw.core.borders import console
from seesaw.data.download.fetch import Report

EVERY = 30.0


@contextmanager
def progress(label: str, total: int | None, of_bytes: bool = True) -> Iterator[Report]:
    """Show progress inside the block; yields a function to be called with the amount done.

    ``total`` is None if unknown. Amounts are bytes or, without ``of_bytes``, numbers of files.
    """
    if not sys.stderr.isatty():
        yield _lines(label, total, of_bytes)
        return
    amount = DownloadColumn() if of_bytes else MofNCompleteColumn()
    speed = [TransferSpeedColumn()] if of_bytes else []
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        amount,
        *speed,
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console(None, stderr=True)) as bars:
        task = bars.add_task(label, total=total)
        yield lambda done: bars.update(task, completed=done)


def _lines(label: str, total: int | None, of_bytes: bool) -> Report:
    state = {"time": time.monotonic()}

    def report(done: int) -> None:
        now = time.monotonic()
        if now - state["time"] < EVERY:
            return
        state["time"] = now
        amount = f"{done / 1e6:,.0f} MB" if of_bytes else f"{done:,} files"
        share = f", {100 * done / total:.0f} %" if total else ""
        print(f"{label}: {amount}{share}", file=sys.stderr, flush=True)

    return report
