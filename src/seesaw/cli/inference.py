"""``seesaw predict`` and ``seesaw publish``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from seesaw.cli.common import (
    check_data,
    config_of,
    load_libraries,
    load_mmdet,
    need_output,
    need_val,
    no_file,
    number,
    scale_of,
)
from seesaw.core.integrity import refuse
from seesaw.core.records import is_current, record_of
from seesaw.errors import UserError
from seesaw.workflow import dependencies


def add(verb) -> None:
    """Declare the verbs."""
    text = "detect on images of your own: a picture and COCO-style JSON of each"
    sub = verb(predict, text, threads=True, seed=True)
    sub.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    sub.add_argument("--model", help="evaluation (default: a12, or the published one)")
    sub.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="of that model, or a folder of `seesaw publish` (default: as trained here)",
    )
    sub.add_argument(
        "--out", type=Path, default=Path("predictions"), help="folder (default: %(default)s)"
    )
    sub.add_argument(
        "--score",
        type=number(0, 1),
        default=0.3,
        help="least score that is drawn (default: 0.3)",
    )
    text = "a folder for others: weights, config, model card, checksums"
    sub = verb(publish, text, threads=True, seed=True)
    sub.add_argument("evaluation")
    sub.add_argument(
        "--half", action="store_true", help="weights in half precision, whose AP is measured again"
    )
    sub.add_argument(
        "--out", type=Path, default=Path("published"), help="folder (default: %(default)s)"
    )


def predict(args: Namespace) -> None:
    """Detect on images; the JSON has all detections, the picture those above the score."""
    from seesaw.evaluation.images import check_images

    no_file(args.out)
    classes: list[str] = []
    if args.weights and args.weights.is_dir():
        check_images(args.images, args.out)  # before mmdet is loaded
        load_mmdet()
        from seesaw.results.publish import published

        folder = args.weights
        args.weights, facts, classes = published(folder)
        args.scale, args.dataset = facts["scale"], None
        args.model = args.model or facts["evaluation"]
    scale = scale_of(args)
    if classes:
        # the folder holds what a model reads of its dataset, which need not be here
        files = {"root": folder, "categories": len(classes)}
        scale.entry = scale.entry.model_copy(update=files)
    evaluation = scale.table.evaluation(args.model or "a12")
    config = config_of(evaluation)
    if not classes:
        check_images(args.images, args.out)
    weights = args.weights or scale.model(evaluation.training, args.seed)
    if not weights.is_file():
        raise UserError(
            f"{weights} is missing; train {evaluation.training} at the scale {scale.name}, or name "
            "weights of that model by --weights."
        )
    refuse([weights])
    load_libraries(args)
    from seesaw.evaluation.predict import names_of
    from seesaw.evaluation.predict import predict as run
    from seesaw.spec.config import resolve

    cfg = resolve(config, scale)
    names = classes or names_of(scale.entry)
    for made in run(cfg, weights, args.images, args.out, names, args.score):
        print(f"{made.json}, {made.picture}: {made.detections} detections, {made.drawn} drawn")


def publish(args: Namespace) -> None:
    """Write a folder with a trained model for others."""
    no_file(args.out)
    scale = scale_of(args)
    evaluation = scale.table.evaluation(args.evaluation)
    config = config_of(evaluation)
    need_val(evaluation)
    if args.half:
        check_data(scale, "val")
    load_libraries(args)
    from seesaw.evaluation.predict import names_of
    from seesaw.results import publish as publishing
    from seesaw.spec.config import resolve

    cfg = resolve(config, scale)
    if "tta_model" not in cfg:  # test-time augmentation is refused below
        metrics = scale.metrics(evaluation, args.seed)
        need_output(metrics, f"evaluate {evaluation.id}", scale, args.seed)
        found = scale.detections(evaluation, args.seed)
        code = dependencies.cached(scale).get(f"detect/{evaluation.id}")
        if not args.half and not is_current(record_of(found), code):  # half is measured anew
            raise UserError(
                f"{found} is of another {config}, or of other code, than there is now; restore "
                "that, or detect and evaluate again."
            )
    names = names_of(scale.entry)
    print(publishing.publish(cfg, evaluation, scale, args.seed, names, args.out, args.half))
