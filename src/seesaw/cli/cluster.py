"""``seesaw efficiency``."""

from __future__ import annotations

from argparse import Namespace

from rich import box
from rich.table import Table

from seesaw.cli.common import scale_of
from seesaw.core import paths
from seesaw.core.borders import console
from seesaw.errors import UserError
from seesaw.workflow.slurm import efficiency as efficiencies

SHARES = ("lost", "longest / limit", "memory / asked")


def add(verb) -> None:
    """Declare the verbs."""
    verb(efficiency, "what SLURM jobs asked for and used, by rule; needs no accounting")


def efficiency(args: Namespace) -> None:
    """Print the resources that a scale's SLURM jobs requested and used."""
    scale = scale_of(args)
    rows = efficiencies.used(scale.full_name, paths.ROOT / "logs" / scale.full_name / "benchmarks")
    if not rows:
        raise UserError(
            f"no job of scale {scale.full_name} was submitted from this folder; run `snakemake "
            "--profile slurm all` in it first."
        )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("rule")
    for head in ("jobs", "attempts", "hours", "GPU-hours", *SHARES):
        table.add_column(head, justify="right")
    for use in rows:
        shares = (use.lost if use.hours else None, use.time, use.memory)
        percent = ["–" if share is None else f"{100 * share:.0f} %" for share in shares]
        hours = (f"{use.hours:,.2f}", f"{use.gpu_hours:,.2f}")
        table.add_row(use.rule, str(use.jobs), str(use.attempts), *hours, *percent)
    console().print(table)
