"""``seesaw report``."""

from __future__ import annotations

from argparse import Namespace

from seesaw.cli.common import fingerprints_of, scale_of
from seesaw.errors import UserError


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(report, "one page of all results: tables, figures, examples, curves, cost")
    sub.add_argument(
        "--partial",
        action="store_true",
        help="of what exists, as partial.html where something is missing",
    )


def report(args: Namespace) -> None:
    """Write the page; without ``--partial`` only if it is complete."""
    from seesaw.results.report import content, page
    from seesaw.spec.scales import snakemake_command

    scale = scale_of(args)
    found = content.gather(scale)
    if found.missing and not args.partial:
        raise UserError(
            f"{scale.results} lacks {', '.join(found.missing)}; run "
            f"`{snakemake_command(scale, 'report')}`, or `seesaw report --partial` for what exists."
        )
    print(page.write(found, scale, fingerprints_of(args).get("report")))
    if found.missing:
        print(f"incomplete: {', '.join(found.missing)}")
