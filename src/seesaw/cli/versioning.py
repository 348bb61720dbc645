"""``seesaw freeze``, ``reference``, ``dvc``, ``record`` and ``unlock``."""

from __future__ import annotations

import json
from argparse import Namespace

from seesaw.cli.common import scale_of
from seesaw.core import paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.integrity import read_output
from seesaw.errors import UserError
from seesaw.spec.outputs import Metrics


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(freeze, "copy a scale's small results, once finished, to reference/, for commit")
    sub.add_argument("named", nargs="?", metavar="SCALE", help="same as --scale")
    sub.set_defaults(scale=_Unset(sub.get_default("scale")))
    sub.add_argument(
        "--claims", action="store_true", help="only add the runs of claims that are here"
    )
    verb(
        reference,
        "check the reference results and tell whether rows here differ by more than seeds; 1 if so",
    )
    verb(dvc, "write the scale's dvc.yaml from the experiment table")
    sub = verb(record, "note what travels with a DVC stage's results (called by dvc.yaml)")
    sub.add_argument("stage")
    verb(unlock, "wait for what a killed Snakemake left running here, then clear its lock")


class _Unset(str):
    """The default of --scale, which differs from the same word in the call."""


def freeze(args: Namespace) -> None:
    """Copy a scale's small results to reference/, and mini's figures to paper_figures/."""
    given = None if isinstance(args.scale, _Unset) else args.scale
    if None not in (given, args.named) and given != args.named:
        raise UserError(f"{args.named} and --scale {given} are two scales; name one.")
    args.scale = str(args.scale if args.named is None else args.named)  # YAML takes no subclass
    from seesaw.results.claims import page
    from seesaw.results.figures.freeze import freeze as freeze_figures
    from seesaw.spec import claims
    from seesaw.spec.figures import SHOWN
    from seesaw.workflow import readme
    from seesaw.workflow import reference as kept

    scale = scale_of(args)
    made = kept.freeze_claims(scale) if args.claims else kept.freeze(scale)
    written = []
    if scale.full_name == SHOWN:
        figures = [] if args.claims else freeze_figures(scale)
        written = [*figures, *readme.commit(scale, picture=not args.claims)]
    if (known := claims.of(scale)) is not None:
        written.append(page.commit(scale, known))
    # Printed at the end, because a closed pipe (`| head`) must not stop the copy half-way.
    files = [path for path in made.rglob("*") if path.is_file()]
    print(f"{made}: {len(files)} files, {sum(p.stat().st_size for p in files) / 1e6:.1f} MB")
    for path in written:
        print(path)


def reference(args: Namespace) -> int:
    """Check the reference and compare the results here with it, cell by cell."""
    from seesaw.workflow.reference import rebuilt
    from seesaw.workflow.reruns import OUTSIDE, UNJUDGED, UNNAMED, reruns

    scale, wrong = scale_of(args), False
    for place, formats in rebuilt(scale).items():
        wrong |= bool(formats)
        names = ", ".join(f"{place}.{suffix}" for suffix in formats)
        outcome = f"not what its metrics give: {names}" if formats else "rebuilt from its metrics"
        print(f"{scale.reference}/tables/{place}: {outcome}")
    for place, rows in reruns(scale).items():
        if not rows:
            print(f"{place}: nothing computed here yet")
        for row in rows:
            wrong |= row.verdict in (OUTSIDE, UNJUDGED)
            other = "; ".join(f"{k}: {v}" for k, v in row.differs.items())
            print(f"{place}: {row.id} is {row.verdict}; {other or UNNAMED}")
            for cell in row.cells:
                old, new = (_shown(value) for value in cell[1:3])
                most = f"; other seeds explain up to {cell.noise:.2f}" if cell.noise else ""
                what = f"{row.id} {cell.column} is {new} here, {old} in the reference"
                print(f"{place}: {what}{most}")
    return int(wrong)


def _shown(value: float | str | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.2f}" if isinstance(value, float) else value


def dvc(args: Namespace) -> None:
    """Write the scale's dvc.yaml."""
    from seesaw.workflow.dvc import Stages

    stages = Stages(scale_of(args))
    write_atomic(stages.file, stages.text())
    print(f"{stages.file}: {', '.join(stages.all)}")


def record(args: Namespace) -> None:
    """Write a stage's permanent workflow metadata and its metrics for ``dvc metrics``."""
    from seesaw.results.tables.collect import means
    from seesaw.workflow import metadata
    from seesaw.workflow.dvc import SHARED, Stages

    stages = Stages(scale_of(args))
    stage = stages.stage(args.stage)
    folder = stages.folder(stage.name)
    metadata.write(stage.jobs, folder / metadata.NAME)
    if stage.name in SHARED:
        made = (path for job in stage.owned for path in job.outputs)
        hashes = {path.as_posix(): sha256_file(path) for path in made}
        write_atomic(stages.hashes(stage.name), json.dumps(hashes, indent=1) + "\n")
    rows = []
    for old in {*(folder / "metrics").glob("*.json")} - {*stages.summaries(stage.name).values()}:
        old.unlink()  # of a row that has been renamed or removed
    for evaluation, path in stages.summaries(stage.name).items():
        e = stages.table.evaluations[evaluation]
        files = [stages.scale.metrics(e, seed) for seed in stages.table.seeds(evaluation)]
        row = means([read_output(path, Metrics) for path in files])
        write_atomic(path, json.dumps(row, indent=1) + "\n")
        rows.append({"evaluation": evaluation} | row)
    if rows:
        write_atomic(folder / "plots.json", json.dumps(rows, indent=1) + "\n")
    print(f"{folder}: {len(stage.jobs)} jobs")
    if not stages.file.is_file() or stages.file.read_bytes() != stages.text().encode():
        problem = f"{stages.file} does not fit {paths.EXPERIMENTS}"
        print(f"{problem}; run `seesaw dvc {stages.scale.options}`, then `dvc repro` again.")


def unlock(args: Namespace) -> None:
    """Wait for running jobs and remove Snakemake's lock."""
    from seesaw.workflow.locks import unlock as run

    scale_of(args)
    run(paths.ROOT)
