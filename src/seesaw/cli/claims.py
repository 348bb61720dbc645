"""``seesaw claims``."""

from __future__ import annotations

from argparse import Namespace

from seesaw.cli.common import fingerprints_of, scale_of
from seesaw.errors import UserError


def add(verb) -> None:
    """Declare the verb."""
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


def claims(args: Namespace) -> int:
    """Write and print the verdicts on the claims."""
    from seesaw.results.claims import page
    from seesaw.results.claims.measure import report
    from seesaw.results.tables.recorded import write_texts
    from seesaw.spec import claims as table
    from seesaw.workflow import design

    scale = scale_of(args)
    known = table.of(scale)
    if known is None:
        raise UserError(table.elsewhere(scale))
    if args.page:
        print(page.commit(scale, known))
        return 0
    fingerprints = fingerprints_of(args)
    now = fingerprints["design"]
    if args.freeze:
        design.freeze(scale, known, now)
        frozen = table.of(scale)
        assert frozen is not None
        made = f"{table.paths.CLAIMS} and {page.commit(scale, frozen)}"
        print(f"{made}: frozen at {now}; commit both before the claims' seeds run")
        return 0
    made = report(scale, known, now, fingerprints)
    outputs = table.outputs(scale)
    if not made.complete:  # the workflow would take them for finished in the usual place
        outputs = {k: path.parent / "partial" / path.name for k, path in outputs.items()}
    read = {
        f"{kind}/{name}": path
        for kind, files in table.files(scale, known).items()
        for name, path in files.items()
    }
    texts = {outputs[kind]: render(made) for kind, render in page.FORMATS.items()}
    inputs = {name: path for name, path in read.items() if path.is_file()}
    write_texts(texts, inputs | {"claims": table.paths.CLAIMS})
    print("\n".join(page.lines(made)))
    print("  ".join(map(str, outputs.values())))
    return int(not made.complete)
