"""``seesaw compare``."""

from __future__ import annotations

from argparse import Namespace

from seesaw.cli.common import scale_of


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(compare, "AP of two evaluations, category by category, with example images")
    sub.add_argument("a")
    sub.add_argument("b", help="differences are b - a")
    sub.add_argument("--boxes", action="store_true", help="AP of boxes (default: of masks)")
    sub.add_argument(
        "--top", type=int, default=5, help="largest gains and losses to show (default: 5 each)"
    )


def compare(args: Namespace) -> None:
    """Print, write and draw the differences between two evaluations."""
    scale = scale_of(args)
    a, b = scale.table.evaluation(args.a), scale.table.evaluation(args.b)
    from seesaw.core.files import write_atomic
    from seesaw.results.comparison import categories, pictures, render

    kind = "bbox" if args.boxes else "segm"
    comparison = categories.compare(a, b, scale.table, scale, kind)
    render.terminal(comparison, args.top, scale.name)
    folder = scale.results / "compare" / f"{a.id}_vs_{b.id}"
    write_atomic(folder / f"{kind}.csv", render.as_csv(comparison))
    print(folder / f"{kind}.csv")
    made, missing = pictures.draw(comparison, args.top, scale, folder)
    for line in (*made, *filter(None, [missing])):
        print(line)
