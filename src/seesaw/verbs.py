"""What each verb of the command line does; heavy libraries load where they are needed."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path

from seesaw import experiments, fingerprint
from seesaw.errors import UserError
from seesaw.provenance import (
    Provenance,
    provenance_path,
    read_record,
    refuse_known_failure,
    sha256_file,
    write_atomic,
)
from seesaw.scales import Scale


def data(args: Namespace) -> None:
    """Make a generated dataset; check any, and write its manifest and category counts."""
    from seesaw import paths
    from seesaw.data import lvis_folder
    from seesaw.data.mini_lvis import MiniLvisSpec, generate

    entry = _scale(args).entry
    if entry.generate is not None:
        spec = MiniLvisSpec.parse(entry.generate, f"{paths.DATASETS} ({entry.name})")
        generate(spec, entry.root, entry.truth)
    files = {"train": entry.train, "val": entry.val}
    if entry.test_dev is not None:
        files["test_dev"] = entry.test_dev
    generated = entry.generate is not None
    manifest = lvis_folder.manifest(entry.root, files, hash_images=generated)
    annotations = lvis_folder.load_annotations(entry.root / entry.train)
    counts = {
        "annotated_images": len({a["image_id"] for a in annotations["annotations"]}),
        "categories": lvis_folder.category_counts(entry.root / entry.train),
    }
    lvis_folder.write_json(counts, entry.category_counts)
    lvis_folder.write_json(manifest, entry.manifest)
    print(f"{entry.manifest}: {entry.name} is complete")


def pretrain(args: Namespace) -> None:
    """Train a stand-in backbone on class crops."""
    from seesaw.config import Config
    from seesaw.training.pretrain import pretrain as run

    scale = _scale(args, data=True)
    _threads(args)
    by_name = {s.name: checkpoint for checkpoint, s in scale.overlay.backbones.items()}
    if args.backbone not in by_name:
        raise UserError(
            f"{scale.path}: the backbone {args.backbone!r} is unknown; "
            f"use one of {', '.join(sorted(by_name))}."
        )
    table = experiments.load()
    from seesaw.config import backbone_checkpoint, resolve

    for training in table.trainings.values():
        if training.config and backbone_checkpoint(training.config) == by_name[args.backbone]:
            break
    cfg: Config = resolve(training.config, scale)
    output = scale.pretrained(args.backbone)
    with Provenance(output, inputs={"manifest": scale.entry.manifest}) as provenance:
        facts = run(cfg.model.backbone.to_dict(), scale.entry, output, **scale.overlay.pretrain)
        provenance.facts |= facts
    print(f"{output}: accuracy {facts['accuracy']:.2f} on training crops")


def train(args: Namespace) -> None:
    """Train a rung with one seed."""
    scale = _scale(args, data=True)
    table = experiments.load()
    training = table.training(args.training)
    if training.config is None:
        raise UserError(f"configs/*/{training.id}.py is missing: this rung is not built; write it.")
    _threads(args)
    # Heavy imports after the checks: a mistake is told at once.
    from seesaw.config import resolve
    from seesaw.training.deadline import deadline
    from seesaw.training.train import train as run

    ends = deadline(args.deadline)
    cfg = resolve(training.config, scale)
    inputs = {"manifest": scale.entry.manifest, "config": training.config}
    start = None
    if training.init_from:
        inputs["init_from"] = start = scale.model(training.init_from, args.seed)
    elif Path(checkpoint := cfg.model.backbone.init_cfg.checkpoint).suffix:
        inputs["pretrained"] = Path(checkpoint)
    for name, path in inputs.items():
        if not path.is_file():
            raise UserError(f"{path} is missing; make {name} first.")
    key = f"train/{training.id}/seed{args.seed}"
    fingerprint = args.fingerprint or _fingerprints(args).get(key)
    if fingerprint is None:
        raise UserError(
            f"seed {args.seed} is not among seeds {training.seeds} of {training.id}; "
            f"add it to {table.path}."
        )
    output = scale.model(training.id, args.seed)
    refuse_known_failure(output, fingerprint)
    # Checkpoints of another fingerprint are another training's and must not be resumed.
    work = scale.work / training.id / f"seed{args.seed}" / fingerprint
    with Provenance(output, inputs=inputs, fingerprint=fingerprint, seed=args.seed) as provenance:
        provenance.facts |= run(cfg, args.seed, work, output, start, ends)
    facts = provenance.facts
    print(f"{output}: {facts['iterations']} iterations, {facts['seconds_per_iteration']} s each")


def detect(args: Namespace) -> None:
    """Detect on an evaluation's split."""
    scale = _scale(args, data=True)
    evaluation = experiments.load().evaluation(args.evaluation)
    if evaluation.config_path is None:
        raise UserError(f"configs/*/{evaluation.config or evaluation.training}.py is missing.")
    weights = scale.model(evaluation.training, args.seed)
    if not weights.is_file():
        raise UserError(f"{weights} is missing; run `seesaw train {evaluation.training}` first.")
    _threads(args)
    from seesaw.config import resolve
    from seesaw.evaluation.detect import detect as run

    cfg = resolve(evaluation.config_path, scale)
    if evaluation.split == "test_dev":
        annotations = scale.annotations("test_dev").relative_to(scale.entry.root)
        cfg.test_dataloader.dataset.ann_file = str(annotations)
    output = scale.detections(evaluation, args.seed)
    inputs = {"weights": weights, "manifest": scale.entry.manifest}
    code = _fingerprints(args).get(f"detect/{evaluation.id}")
    hashes = {name: sha256_file(path) for name, path in inputs.items()}
    key = fingerprint.fingerprint(code=code, config=cfg.to_dict(), **hashes)
    with Provenance(output, inputs=inputs, seed=args.seed) as provenance:
        provenance.facts |= run(cfg, weights, output, key)
    print(f"{output}: {provenance.facts['detections']} detections")


def evaluate(args: Namespace) -> None:
    """Score an evaluation's detections; keep the matches, which resampling needs."""
    from seesaw.evaluation import resample
    from seesaw.evaluation.lvis_eval import load, match, metrics_of

    scale = _scale(args, data=True)
    evaluation = experiments.load().evaluation(args.evaluation)
    if evaluation.split == "test_dev":
        raise UserError(
            f"{evaluation.id} is on test_dev, which has no annotations; run `seesaw submit`."
        )
    detections = scale.detections(evaluation, args.seed)
    if not detections.is_file():
        raise UserError(f"{detections} is missing; run `seesaw detect {evaluation.id}` first.")
    annotations = scale.entry.root / scale.entry.val
    output = scale.metrics(evaluation, args.seed)
    inputs = {"detections": detections, "annotations": annotations}
    kept = scale.matches(evaluation, args.seed)
    with Provenance(output, kept, inputs=inputs, seed=args.seed):
        truth = load(annotations)
        matches = match(detections, truth)
        metrics = metrics_of(matches, truth)
        rankings = {kind: resample.Ranking.of(found) for kind, found in matches.items()}
        metrics["standard_errors"] = {k: resample.standard_errors(r) for k, r in rankings.items()}
        resample.save(rankings, kept)
        write_atomic(output, json.dumps(metrics, indent=1) + "\n")
    errors = metrics["standard_errors"]["segm"]
    print(
        ", ".join(
            f"{name} {100 * part['estimate']:.1f} ± {100 * part['se']:.1f}" if part else f"{name} -"
            for name, part in errors.items()
        )
    )


def submit(args: Namespace) -> int:
    """Package detections for the server, enter its answer, or check a results file."""
    from seesaw.submission.commands import submit as run

    return run(args, _scale(args))


def grade(args: Namespace) -> None:
    """Score a package from its own bytes, where the truth is known."""
    from seesaw.submission.commands import grade as run

    run(args, _scale(args))


def speed(args: Namespace) -> None:
    """Time Table A2's frameworks."""
    from seesaw.config import resolve
    from seesaw.evaluation import post_processing
    from seesaw.evaluation.speed import measure

    scale = _scale(args, data=True)
    table = experiments.load()
    _threads(args)
    models, at_paper_scale, training_seconds = {}, {}, {}
    for cell in table.place_cells("table_a2"):
        evaluation = table.evaluations[cell.evaluation]
        training = table.trainings[evaluation.training]
        if table.built(evaluation.id):
            weights = scale.model(training.id, training.seeds[0])
            models[evaluation.id] = (resolve(evaluation.config_path, scale), weights)
            at_paper_scale[evaluation.id] = resolve(evaluation.config_path, Scale("paper")).model
            record = read_record(provenance_path(weights)) or {}
            training_seconds[evaluation.id] = record.get("seconds_per_iteration")
    if not models:
        raise UserError(f"{table.path}: no framework of table_a2 has a config; write one.")
    with Provenance(scale.speed, inputs={k: w for k, (_, w) in models.items()}):
        measured = measure(models, images=args.images, rounds=args.rounds)
        measured["post_processing"] = post_processing.measure(at_paper_scale, args.detections)
        measured["training_seconds_per_iteration"] = training_seconds
        write_atomic(scale.speed, json.dumps(measured, indent=1) + "\n")
    print(", ".join(f"{name} {fps:.2f} fps" for name, fps in measured["fps"]["ours"].items()))


def table(args: Namespace) -> None:
    """Write one table from the metrics that exist."""
    from seesaw.reporting.collect import collect
    from seesaw.reporting.render import write_table

    scale = _scale(args)
    made = collect(args.place, experiments.load(), scale)
    for path in write_table(made, scale.tables).values():
        print(path)


def show(args: Namespace) -> int:
    """Print tables; exit code 1 if a cell that could have been computed is not."""
    from seesaw.reporting.collect import collect
    from seesaw.reporting.render import render_terminal, write_table
    from seesaw.reporting.tables import missing

    scale, rows = _scale(args), experiments.load()
    incomplete = False
    for place in args.places:
        made = collect(place, rows, scale)
        files = write_table(made, scale.tables)
        render_terminal(made)
        print("  ".join(str(path) for path in files.values()), end="\n\n")
        incomplete |= bool(missing(made).keys() - {"not built"})
    return int(incomplete)


def plan(args: Namespace) -> None:
    """Print what a target still costs."""
    from seesaw.planning.commands import plan as run

    run(args, _scale(args))


def status(args: Namespace) -> int:
    """Print where a target's experiments stand; exit code 1 if one needs the user."""
    from seesaw.planning.commands import status as run

    return run(args, _scale(args))


def diff(args: Namespace) -> None:
    """Print the paths at which two experiments' resolved configs differ."""
    from seesaw.config import difference, resolve

    scale, rows = _scale(args), experiments.load()
    files = []
    for name in (args.a, args.b):
        evaluation = rows.evaluation(name)
        if evaluation.config_path is None:
            raise UserError(f"configs/*/{evaluation.id}.py is missing: this rung is not built.")
        files.append(evaluation.config_path)
    for key, old, new in difference(*(resolve(path, scale, register=False) for path in files)):
        print(f"{key}: {json.dumps(old, default=str)} -> {json.dumps(new, default=str)}")


def fingerprints(args: Namespace) -> None:
    """Print what each training, detection and evaluation depends on, as hashes."""
    from seesaw.dependencies import compute

    with redirect_stdout(sys.stderr):  # mmdet prints while it loads
        made = compute(_scale(args))
    print(json.dumps(made, indent=1))


def _fingerprints(args: Namespace) -> dict[str, str]:
    from seesaw.dependencies import cached

    return cached(_scale(args))


def _scale(args: Namespace, data: bool = False) -> Scale:
    scale = Scale(args.scale, args.dataset)
    if data and not scale.entry.manifest.is_file():
        raise UserError(
            f"{scale.entry.manifest} is missing; run `seesaw data --scale {scale.name}` first."
        )
    return scale


def _threads(args: Namespace) -> None:
    """Threads of torch and OpenCV; set after they load, whatever the environment says."""
    import cv2
    import torch

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)
