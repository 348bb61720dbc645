"""``seesaw table`` and ``seesaw show``."""

from __future__ import annotations

from argparse import Namespace

from seesaw.cli.common import scale_of


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(table, "write a table from what has been computed")
    sub.add_argument("place", help="table_a1, table_a2 or figure_a2")
    sub = verb(show, "print tables in the terminal and where their files lie")
    sub.add_argument("places", nargs="+")
    sub.add_argument(
        "--reference", action="store_true", help="those of the committed metrics, rebuilt"
    )


def table(args: Namespace) -> None:
    """Write one table from the metrics that exist."""
    from seesaw.core.integrity import refuse
    from seesaw.results.tables.collect import collect, sources
    from seesaw.results.tables.recorded import write_recorded

    scale = scale_of(args)
    refuse(sources(args.place, scale.table, scale))
    made = collect(args.place, scale.table, scale)
    for path in write_recorded(made, scale).values():
        print(path)


def show(args: Namespace) -> int:
    """Print tables; exit code 1 if a cell that could be computed is missing."""
    from seesaw.results.tables.collect import collect
    from seesaw.results.tables.recorded import write_recorded
    from seesaw.results.tables.render import render_terminal
    from seesaw.results.tables.tables import missing

    scale = scale_of(args).frozen() if args.reference else scale_of(args)
    rows = scale.table
    incomplete = False
    for place in args.places:
        made = collect(place, rows, scale)
        if not made.rows:
            print(f"{made.name}: no row at the scale {scale.name}", end="\n\n")
            continue
        render_terminal(made)
        lacks = missing(made).keys() - {"not built"}
        # In the usual folder, the workflow would take a partial table for finished.
        folder = scale.tables / "partial" if lacks else scale.tables
        # Reference results are changed by `seesaw freeze` alone.
        files = [scale.tables] if args.reference else write_recorded(made, scale, folder).values()
        print("  ".join(str(path) for path in files), end="\n\n")
        incomplete |= bool(lacks)
    if incomplete and not args.reference and (scale.reference / "tables").is_dir():
        print(f"the committed results: seesaw show {' '.join(args.places)} --reference")
    return int(incomplete)
