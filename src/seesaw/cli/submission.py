"""``seesaw submit`` and ``seesaw grade``."""

from __future__ import annotations

from argparse import Namespace

from seesaw.cli.common import need_output, scale_of
from seesaw.core.integrity import read_output, refuse
from seesaw.core.provenance import Provenance
from seesaw.errors import UserError
from seesaw.evaluation.submission import receipt
from seesaw.spec.outputs import Metrics

SPLITS = ("test_dev", "val")


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(submit, "package detections for the LVIS server, or enter what it said", seed=True)
    sub.add_argument("evaluation", nargs="?", help="default: the entry, a12")
    sub.add_argument("--split", choices=SPLITS, default=SPLITS[0], help="default: %(default)s")
    instead = sub.add_mutually_exclusive_group()
    instead.add_argument(
        "--record", metavar="AP", help="`pending` after the upload, then the server's AP in percent"
    )
    instead.add_argument(
        "--check", metavar="FILE", help="list the faults of any results file (.json or .zip)"
    )
    sub = verb(grade, "score a package as the server does, where the truth is known", seed=True)
    sub.add_argument("evaluation", nargs="?", help="default: the entry, a12")
    sub.add_argument("--split", choices=SPLITS, default=SPLITS[0], help="default: %(default)s")


def submit(args: Namespace) -> int:
    """Package detections for the server, enter the server's answer, or check a results file."""
    from seesaw.evaluation.submission.package import ImageList, package
    from seesaw.evaluation.submission.validate import validate

    scale = scale_of(args)
    if args.check is not None:
        report = validate(args.check, ImageList.load(scale.annotations(args.split)))
        print("\n".join(report.lines()))
        return int(bool(report.faults))
    evaluation = scale.table.on_split(args.evaluation, args.split)
    output = scale.submission(evaluation, args.seed)
    if args.record is not None:
        if args.split != "test_dev" or scale.entry.generate is not None:
            raise UserError(
                f"--record {args.record}: no server scores {args.split} of {scale.entry.name}; "
                "run `seesaw grade`."
            )
        answer = receipt.parse_answer(args.record)
        need_output(output, f"submit {evaluation.id}", scale, args.seed)
        receipt.add_entry(output, "uploaded" if answer is None else "server", answer)
        print(f"{receipt.receipt_path(output)}: {receipt.status(output)}")
        return 0
    detections, images = scale.detections(evaluation, args.seed), scale.annotations(args.split)
    need_output(detections, f"detect {evaluation.id}", scale, args.seed)
    inputs = {"detections": detections, "images": images}
    with Provenance(output, inputs=inputs, seed=args.seed):
        facts = package(detections, ImageList.load(images), output)
    facts |= evaluation.model_dump() | {"seed": args.seed, "dataset": scale.entry.name}
    size = receipt.write(output, facts | {"scale": scale.name})["package"]["bytes"] / 1e6
    print(f"{output}: {facts['detections']} detections, {size:.1f} MB, {receipt.status(output)}")
    return 0


def grade(args: Namespace) -> None:
    """Score a package from its content alone, where the ground truth is known."""
    from seesaw.evaluation.submission.grade import grade as score

    scale = scale_of(args)
    evaluation = scale.table.on_split(args.evaluation, args.split)
    output = scale.submission(evaluation, args.seed)
    truth = scale.entry.truth / "test_dev.json"
    if args.split == "val":
        truth = scale.annotations("val")
    if not truth.is_file():
        made = args.split == "val" or scale.entry.generate is not None
        fix = f"; run `{scale.data_command}` first" if made else ": only generated data have one"
        raise UserError(f"{truth} is missing{fix}.")
    need_output(output, f"submit {evaluation.id} --split {args.split}", scale, args.seed)
    refuse([output])
    metrics = score(output, truth)
    table = scale.metrics(evaluation, args.seed)
    if args.split == "val" and table.is_file():
        if read_output(table, Metrics)["segm"] != metrics:
            raise UserError(f"{output} scores otherwise than {table}: submit or evaluate again.")
        print(f"exactly the mask metrics of {table}")
    if metrics["AP"] is None:
        raise UserError(f"{truth} has no annotation to find; generate the dataset again.")
    receipt.add_entry(output, "graded", 100 * metrics["AP"], truth=str(truth))
    print(f"{output}: AP {100 * metrics['AP']:.1f}, graded on {truth}, no server's score")
