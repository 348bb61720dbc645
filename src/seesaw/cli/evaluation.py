"""``seesaw detect``, ``evaluate``, ``errors`` and ``speed``."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path

from seesaw.cli.common import (
    at_least,
    check_data,
    config_of,
    evaluation_of,
    load_libraries,
    need_data,
    need_output,
    need_val,
    refuse_other_data,
    scale_of,
    stopping_options,
)
from seesaw.core import hashing, stopping
from seesaw.core.borders import console, listing
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.provenance import Provenance
from seesaw.errors import UserError
from seesaw.training import runs
from seesaw.workflow import dependencies
from seesaw.workflow.slurm import ledger


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(detect, "detect on the evaluation's split", threads=True, seed=True)
    sub.add_argument("evaluation")
    stopping_options(sub)
    sub = verb(evaluate, "score detections by the LVIS protocol", seed=True)
    sub.add_argument("evaluation")
    sub = verb(errors, "where AP50 is lost: error types by frequency group", seed=True)
    sub.add_argument("evaluations", nargs="+", metavar="evaluation")
    sub = verb(speed, "time the frameworks of Table A2, interleaved", threads=True)
    sub.add_argument("--images", type=at_least(1), default=5, help="images a round (default: 5)")
    sub.add_argument("--rounds", type=at_least(1), default=5, help="rounds (default: 5)")


def detect(args: Namespace) -> None:
    """Detect objects on an evaluation's split."""
    scale = scale_of(args)
    evaluation = evaluation_of(scale, args.evaluation)
    source = config_of(evaluation)
    need_data(scale)
    weights = scale.model(evaluation.training, args.seed)
    verb = "convert" if evaluation.id.startswith("zoo_") else "train"
    need_output(weights, f"{verb} {evaluation.training}", scale, args.seed)
    check_data(scale, evaluation.split)
    from seesaw.workflow.slurm.lease import leave_to_job

    ends, work = stopping.deadline(args.deadline), scale.detecting(evaluation.id, args.seed)
    leave_to_job(work / "lease")
    output = scale.detections(evaluation, args.seed)
    code = dependencies.cached(scale).get(f"detect/{evaluation.id}")
    _keep_parts(output, code, source)
    load_libraries(args)
    from seesaw.evaluation.detect import detect as run
    from seesaw.spec.config import resolve

    cfg = resolve(source, scale)
    if evaluation.split == "test_dev":
        annotations = scale.annotations("test_dev").relative_to(scale.entry.root)
        cfg.test_dataloader.dataset.ann_file = str(annotations)
    inputs = {"weights": weights, "manifest": scale.entry.manifest}
    hashes = {name: sha256_file(path) for name, path in inputs.items()}
    config = cfg.to_dict()
    key = hashing.fingerprint(code=code, config=config, **hashes)
    facts = dict(fingerprint=code, config_hash=hashing.fingerprint(config=config), seed=args.seed)
    part = output.with_name(f".{output.name}.{key}.part")
    if part.is_file():
        with part.open("rb") as file:
            facts["images_before"] = sum(1 for _ in file)  # of earlier attempts
    with Provenance(output, inputs=inputs, **facts) as provenance:
        provenance.facts |= run(cfg, weights, output, key, work, ends, args.workers)
    print(f"{output}: {provenance.facts['detections']} detections")


def _keep_parts(output: Path, code: str | None, config: Path) -> None:
    """Refuse a SLURM job that would delete what it has detected, as it was edited since submitted.

    ``code`` is the present fingerprint of the detections ``output``.
    """
    submission = ledger.of(os.environ.get("SLURM_JOB_ID"))
    part = next(output.parent.glob(f".{output.name}.*.part"), None)
    if part and submission and submission.fingerprint not in ("", code):
        raise UserError(
            f"{config}, or code that detects with it, has changed since the workflow began; run "
            f"the same command again, which detects anew; to go on from {part}, restore what was "
            "there before."
        )


def evaluate(args: Namespace) -> None:
    """Score an evaluation's detections; save matches and replicates for later comparisons."""
    scale = scale_of(args)
    evaluation = evaluation_of(scale, args.evaluation)
    need_val(evaluation, "run `seesaw submit`")
    need_data(scale)
    detections = scale.detections(evaluation, args.seed)
    need_output(detections, f"detect {evaluation.id}", scale, args.seed)
    check_data(scale, "val")
    refuse_other_data(detections, f"detect {evaluation.id}", scale, args.seed)
    mode = runs.mode()
    # Heavy imports follow the checks, so that mistakes are reported at once.
    from seesaw.evaluation import replicates, resample
    from seesaw.evaluation.lvis_eval import load, match, metrics_of

    annotations = scale.entry.root / scale.entry.val
    output = scale.metrics(evaluation, args.seed)
    inputs = {"detections": detections, "annotations": annotations}
    kept = scale.matches(evaluation, args.seed)
    drawn_path = scale.replicates(evaluation, args.seed)
    with Provenance(output, kept, drawn_path, inputs=inputs, seed=args.seed):
        truth = load(annotations)
        matches = match(detections, truth)
        metrics = metrics_of(matches, truth)
        rankings = {kind: resample.Ranking.of(found) for kind, found in matches.items()}
        drawn = {kind: resample.replicates(ranking) for kind, ranking in rankings.items()}
        metrics["standard_errors"] = {
            kind: resample.report(resample.scores(ranking), drawn[kind])
            for kind, ranking in rankings.items()
        }
        resample.save(rankings, kept)
        replicates.save(drawn_path, metrics, drawn, sha256_file(annotations))
        write_atomic(output, json.dumps(metrics, indent=1) + "\n")
    log = runs.log_evaluation(scale, evaluation, args.seed, metrics)
    if log and mode != "off":
        from seesaw.results import wandb

        wandb.send(log, mode, scale, args.seed)
    errors = metrics["standard_errors"]["segm"]
    print(
        ", ".join(
            f"{name} {100 * part['estimate']:.1f} ± {100 * part['se']:.1f}" if part else f"{name} -"
            for name, part in errors.items()
        )
    )


def errors(args: Namespace) -> None:
    """Write the error types of evaluations' detections, and print them side by side."""
    scale = scale_of(args)
    evaluations = [evaluation_of(scale, name) for name in args.evaluations]
    need_data(scale)
    for evaluation in evaluations:
        need_val(evaluation)
        detections = scale.detections(evaluation, args.seed)
        need_output(detections, f"detect {evaluation.id}", scale, args.seed)
    check_data(scale, "val")
    for evaluation in evaluations:
        detections = scale.detections(evaluation, args.seed)
        refuse_other_data(detections, f"detect {evaluation.id}", scale, args.seed)
    from seesaw.evaluation.errors import analyse
    from seesaw.evaluation.ground_truth import load

    annotations = scale.entry.root / scale.entry.val
    truth, found = load(annotations), {}
    for evaluation in evaluations:
        output = scale.errors(evaluation, args.seed)
        detections = scale.detections(evaluation, args.seed)
        inputs = {"detections": detections, "annotations": annotations}
        with Provenance(output, inputs=inputs, seed=args.seed):
            found[evaluation.id] = analyse(detections, truth)
            write_atomic(output, json.dumps(found[evaluation.id], indent=1) + "\n")
    groups = {"all": "AP50", "r": "AP50_r", "c": "AP50_c", "f": "AP50_f"}
    table = listing("", "", *groups.values(), numbers=groups.values())
    for name, content in found.items():
        rows = {"AP50": content["AP50"]} | content["cost"]
        for n, (kind, values) in enumerate(rows.items()):
            form = "{:+.1f}" if n else "{:.1f}"
            shown = (values[group] for group in groups)
            cells = ("-" if value is None else form.format(100 * value) for value in shown)
            table.add_row("" if n else name, f"mend {kind}" if n else "", *cells)
    console().print(table)


def speed(args: Namespace) -> None:
    """Time the frameworks of Table A2."""
    scale = scale_of(args)
    table = scale.table
    cells = [cell.evaluation for cell in table.place_cells("table_a2")]
    shown = [table.evaluations[name] for name in cells if table.built(name)]
    if not shown:
        raise UserError(
            f"{table.path}: no framework of table_a2 has a row and a config; add them, or use "
            "another scale."
        )
    need_data(scale)
    weights = {}
    for evaluation in shown:
        name, seed = evaluation.training, table.seeds(evaluation.id)[0]
        weights[evaluation.id] = scale.model(name, seed)
        need_output(weights[evaluation.id], f"train {name}", scale, seed)
    check_data(scale, "val")
    load_libraries(args)
    from seesaw.evaluation.speed import measure
    from seesaw.spec.config import resolve

    models = {e.id: (resolve(config_of(e), scale), weights[e.id]) for e in shown}
    with Provenance(scale.speed, inputs=weights):
        measured = measure(models, images=args.images, rounds=args.rounds)
        write_atomic(scale.speed, json.dumps(measured, indent=1) + "\n")
    print(", ".join(f"{name} {fps:.2f} fps" for name, fps in measured["fps"]["ours"].items()))
