"""``seesaw table``, ``show``, ``claims``, ``report``, ``compare`` and ``figure``."""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from pathlib import Path

from seesaw.cli.common import at_least, scale_of, shown
from seesaw.core import paths
from seesaw.core.provenance import Provenance
from seesaw.errors import UserError
from seesaw.spec import figures
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.workflow import dependencies


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(table, "write a table from what has been computed")
    sub.add_argument("place", help="table_a1, table_a2, figure_a2 or one of your own")
    sub = verb(show, "print tables in the terminal and where their files lie")
    sub.add_argument("places", nargs="+", help="table_a1, table_a2, figure_a2 or one of your own")
    sub.add_argument(
        "--reference", action="store_true", help="those of the committed metrics, rebuilt"
    )
    sub = verb(claims, "test the paper's claims on the runs that exist; 1 if some are missing")
    group = sub.add_mutually_exclusive_group()
    group.add_argument(
        "--freeze",
        action="store_true",
        help="write the design's hash into configs/claims.yaml, and the page",
    )
    group.add_argument(
        "--page", action="store_true", help="write docs/claims.md from the reference results"
    )
    group.add_argument(
        "--missing",
        action="store_true",
        help="only print the files of the runs that are neither here nor in the reference",
    )
    sub = verb(report, "one page of all results: tables, figures, examples, curves, cost")
    sub.add_argument(
        "--partial",
        action="store_true",
        help="of what exists, as partial.html where something is missing",
    )
    sub = verb(compare, "AP of two evaluations, category by category, with example images")
    sub.add_argument("a")
    sub.add_argument("b", help="differences are b - a")
    sub.add_argument("--boxes", action="store_true", help="AP of boxes (default: of masks)")
    sub.add_argument(
        "--top",
        type=at_least(1),
        default=5,
        help="largest gains and losses to show (default: 5 each)",
    )
    sub = verb(figure, "draw a figure from what has been computed: notebook, graphics, data")
    sub.add_argument("figure", help=", ".join(figures.FIGURES))
    sub.add_argument(
        "--reference", action="store_true", help="of the committed results, into paper_figures/"
    )


def table(args: Namespace) -> None:
    """Write one table from the metrics that exist."""
    from seesaw.core.integrity import refuse
    from seesaw.results.tables.collect import collect, sources
    from seesaw.results.tables.recorded import write_recorded

    scale = scale_of(args)
    place = scale.table.place_id(args.place)
    refuse(sources(place, scale))
    made = collect(place, scale)
    for path in write_recorded(made, scale).values():
        print(path)


def show(args: Namespace) -> int:
    """Print tables; exit code 1 if a cell that could be computed is missing."""
    from seesaw.results.tables.collect import collect
    from seesaw.results.tables.recorded import write_recorded
    from seesaw.results.tables.render import render_terminal
    from seesaw.results.tables.tables import missing

    scale = shown(args)
    incomplete = False
    for place in map(scale.table.place_id, args.places):
        made = collect(place, scale)
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
        call = f"seesaw show {' '.join(args.places)} --reference {scale.options}"
        print(f"the committed results: {call}")
    return int(incomplete)


def claims(args: Namespace) -> int:
    """Write and print the verdicts on the claims."""
    from seesaw.results.claims import page
    from seesaw.results.claims.runs import Results
    from seesaw.spec import claims as table
    from seesaw.workflow import design

    scale = scale_of(args)
    known = table.of(scale)
    if known is None:
        raise UserError(table.elsewhere(scale))
    if args.page:
        print(page.commit(scale, known))
        return 0
    fingerprints = dependencies.cached(scale)
    now = fingerprints["design"]
    if args.freeze:
        design.freeze(scale, known, now)
        frozen = table.of(scale)
        assert frozen is not None
        made = f"{table.paths.CLAIMS} and {page.commit(scale, frozen)}"
        print(f"{made}: frozen at {now}; commit both before the claims' seeds run")
        return 0
    if args.missing:
        results = Results(scale, known, fingerprints)
        for name, seed, gradients in known.runs:
            if scale.table.built(name) and results.of(name, seed, gradients) is None:
                evaluation = scale.table.evaluations[name]
                model = scale.model(evaluation.training, seed)
                print(model if gradients else scale.replicates(evaluation, seed))
        return 0
    made, written = page.write(scale, known, fingerprints)
    print("\n".join(page.lines(made)))
    print("  ".join(map(str, written.values())))
    return int(not made.complete)


def report(args: Namespace) -> None:
    """Write the page; without ``--partial`` only if it is complete."""
    from seesaw.results.report import content, page

    scale = scale_of(args)
    found = content.gather(scale)
    if found.missing and not args.partial:
        raise UserError(
            f"{scale.results} lacks {', '.join(found.missing)}; run "
            f"`{snakemake_command(scale, 'report')}`, or for what exists `seesaw report --partial "
            f"{scale.options}`."
        )
    print(page.write(found, scale, dependencies.cached(scale).get("report")))
    if found.missing:
        print(f"incomplete: {', '.join(found.missing)}")


def compare(args: Namespace) -> None:
    """Print, write and draw the differences between two evaluations."""
    scale = scale_of(args)
    a, b = scale.table.evaluation(args.a), scale.table.evaluation(args.b)
    from seesaw.core.files import write_atomic
    from seesaw.results.comparison import categories, pictures, render

    kind = "bbox" if args.boxes else "segm"
    comparison = categories.compare(a, b, scale, kind)
    render.terminal(comparison, args.top, scale.full_name)
    folder = scale.results / "compare" / f"{a.id}_vs_{b.id}"
    write_atomic(folder / f"{kind}.csv", render.as_csv(comparison))
    print(folder / f"{kind}.csv")
    made, missing = pictures.draw(comparison, args.top, scale, folder / kind)
    for old in () if missing else {*(folder / kind).glob("*.png")} - made.keys():
        old.unlink()  # of an earlier comparison, with other numbers
    for line in (*made, *filter(None, [missing])):
        print(line)


def figure(args: Namespace) -> None:
    """Draw one figure."""
    name, scale = figures.unique(args.figure), scale_of(args)
    if name not in figures.available(scale):
        raise UserError(f"{scale.path}: none of its experiments stands in {name}.")
    if args.reference and scale.full_name != figures.SHOWN:
        raise UserError(
            f"{paths.NOTEBOOKS} shows {figures.SHOWN} scale only; leave out --reference."
        )
    command = scale.freeze_command if args.reference else snakemake_command(scale, name)
    needed = figures.files(name, scale)
    if args.reference:
        needed = {key: figures.frozen(path, scale) for key, path in needed.items()}
    there = {key: path for key, path in needed.items() if path.is_file()}
    shown = figures.results(name, scale).keys() or needed.keys()
    if shown and not shown & there.keys():
        first = next(iter(needed[key] for key in shown))
        raise UserError(f"{first} is missing, and so is all that {name} shows; run `{command}`.")
    if args.reference:
        _draw(name, scale, figures.committed(name), reference=True)
        return
    made = figures.outputs(name, scale)
    read = {"notebook": paths.NOTEBOOKS / f"{name}.py"} | there
    code = dependencies.cached(scale).get(f"figure/{name}")
    with Provenance(*made.values(), inputs=read, fingerprint=code):
        _draw(name, scale, made)


def _draw(name: str, scale: Scale, made: dict[str, Path], reference: bool = False) -> None:
    """Execute a figure's notebook; its files are written atomically."""
    from seesaw.results.figures.notebook import execute  # late, so that mistakes are reported first

    source = paths.NOTEBOOKS / f"{name}.py"
    failed = scale.logs / "figure" / f"{name}.failed.ipynb"
    parameters = {"SCALE": scale.name, "DATASET": scale.dataset if "@" in scale.full_name else None}
    folder = next(iter(made.values())).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as staged:
        execute(source, parameters, Path(staged), failed, reference)
        for path in made.values():
            if not (Path(staged) / path.name).is_file():
                raise UserError(f"{source} did not write {path.name}; call `save` in it.")
        for path in made.values():  # not by `replacing`: none moves before all are there
            os.replace(Path(staged) / path.name, path)
            print(path)
    failed.unlink(missing_ok=True)
