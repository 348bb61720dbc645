"""``seesaw explain``, ``verify`` and ``crate``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from seesaw.cli.common import scale_of, shown


def add(verb) -> None:
    """Declare the verbs."""
    committed = "the committed results, not the live ones"
    sub = verb(explain, "the chain from a number to the bytes behind it, and how to remake each")
    sub.add_argument("place", help="a table, a figure, or any file under results/")
    sub.add_argument("row", nargs="?", help="an experiment; of a figure, any field of its data")
    sub.add_argument("column", nargs="?", help="default: AP; of a figure, all")
    sub.add_argument("--reference", action="store_true", help=committed)
    sub = verb(verify, "hash everything again, follow the chain, rebuild tables; 1 if a fault")
    sub.add_argument("--reference", action="store_true", help=committed)
    sub = verb(crate, "export results and their evidence as a Workflow Run RO-Crate")
    sub.add_argument("folder", nargs="?", type=Path, help="new (default: crate/<scale>)")


def explain(args: Namespace) -> int:
    """Print a number's chain of evidence; exit code 1 if a file in it does not match its record."""
    from seesaw.core import paths
    from seesaw.errors import UserError
    from seesaw.spec.figures import FIGURES
    from seesaw.workflow.evidence.chain import Evidence
    from seesaw.workflow.evidence.explain import cell, described, figure

    evidence = Evidence(shown(args))
    scale, file = evidence.scale, Path(args.place)
    if file.is_file():
        lines: list[str] = []
        if file.resolve().is_relative_to(paths.ROOT.resolve()):
            file = paths.ROOT / file.resolve().relative_to(paths.ROOT.resolve())
        live = paths.ROOT / "results"
        if file.is_relative_to(live) and not file.is_relative_to(live / scale.full_name):
            other = file.relative_to(live).parts[0]
            fix = "add its --scale and --dataset"
            raise UserError(f"{file} is a result of {other}, not of {scale.full_name}; {fix}.")
        files = [file]
    elif args.row is None:
        raise UserError(
            f"{args.place!r} is no file; name a row, as in `explain table_a1 a10 AP_r`."
        )
    elif args.place in FIGURES and not any(
        c.evaluation.startswith(args.row) for c in scale.table.place_cells(args.place)
    ):  # a figure's row may be an experiment of the table of that name
        lines, files = figure(evidence, args.place, args.row, args.column)
    else:
        lines, files = cell(evidence, args.place, args.row, args.column or "AP")
    chain = dict.fromkeys(path for file in files for path in evidence.chain(file))
    blocks = [lines] * bool(lines) + [described(evidence, path) for path in chain]
    print("\n\n".join("\n".join(block) for block in blocks))
    damaged = any(evidence.state(path) in ("corrupt", "damaged record") for path in chain)
    return int(damaged or any(evidence.state(path) == "missing" for path in files))


def verify(args: Namespace) -> int:
    """Print each inconsistency with the command that repairs it."""
    from seesaw.workflow.evidence.chain import Evidence
    from seesaw.workflow.evidence.verify import verify as run

    evidence = Evidence(shown(args))
    faults, files = run(evidence)
    for fault in faults:
        print(f"{fault.path}: {fault.what}")
        if fault.repair:
            print(f"  repair: {fault.repair}")
    print(f"{evidence.scale.results}: {files} files looked at, {len(faults)} faults")
    return int(bool(faults))


def crate(args: Namespace) -> None:
    """Write the results as an RO-Crate."""
    from seesaw.core import paths
    from seesaw.workflow.evidence.chain import Evidence
    from seesaw.workflow.evidence.crate import write

    evidence = Evidence(scale_of(args))
    folder = args.folder or paths.ROOT / "crate" / evidence.scale.full_name
    made = write(evidence, folder)
    print(f"{folder}: {len(made.data_entities)} files; zip it to publish")
