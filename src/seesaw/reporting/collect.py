"""Tables from results: what is computed is shown, what is not says why."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean

from seesaw.errors import UserError
from seesaw.evidence.guard import corrupted
from seesaw.experiments import Cell, Experiments
from seesaw.provenance import failure_path, read_record
from seesaw.reporting import paper
from seesaw.reporting.speed_notes import speed_notes
from seesaw.reporting.tables import Row, State, Table
from seesaw.scales import Scale
from seesaw.submission import receipt

# column of a table -> where its number stands in metrics.json
_COLUMNS = {
    "AP": ("segm", "AP"),
    "AP_r": ("segm", "AP_r"),
    "AP_c": ("segm", "AP_c"),
    "AP_f": ("segm", "AP_f"),
    "AP_box": ("bbox", "AP"),
}


def collect(place: str, experiments: Experiments, scale: Scale) -> Table:
    """A place's table from the metrics that exist under the scale's results.

    Raises:
        UserError: the place is unknown, or a metrics file is damaged.
    """
    values = paper.load()
    spec = experiments.place(place)
    measured = _read(scale.speed) if "fps" in spec.columns else {}
    damaged = corrupted([scale.speed]) if "fps" in spec.columns else None
    fps = measured.get("fps", {}).get("ours", {})
    labels = {cell.evaluation: cell.label for cell in experiments.place_cells(place)}
    return Table(
        name=place,
        title=spec.title,
        scale=scale.name,
        columns=spec.columns,
        increments=spec.increments,
        heading=spec.heading,
        rows=[_row(c, experiments, scale, values, fps) for c in experiments.place_cells(place)],
        test_dev=_test_dev(experiments, scale) if place == "table_a1" else None,
        paper_test_dev=values.test_dev.AP,
        notes=speed_notes(measured, labels, scale.name) if fps else [damaged] if damaged else [],
    )


def _test_dev(experiments: Experiments, scale: Scale) -> str:
    """State or score of the entry's submission."""
    if not experiments.submissions:
        return "not submitted"
    entry = experiments.submissions[0]
    return receipt.status(scale.submission(entry, experiments.seeds(entry.id)[0]))


def _row(
    cell: Cell, experiments: Experiments, scale: Scale, values: paper.PaperValues, fps: dict
) -> Row:
    evaluation = experiments.evaluations[cell.evaluation]
    training = experiments.trainings[evaluation.training]
    done = [
        metrics
        for seed in training.seeds
        if (metrics := _read(scale.metrics(evaluation, seed))) is not None and metrics
    ]
    state, note = _state(cell, experiments, scale, complete=len(done) == len(training.seeds))
    numbers = None
    if state == "done":
        numbers = {}
        for column, (kind, key) in _COLUMNS.items():
            seeds = [m[kind][key] for m in done]
            # the mean over seeds; undefined where the ground truth has no such category
            numbers[column] = None if None in seeds else 100 * mean(seeds)
        if cell.evaluation in fps:
            numbers["fps"] = fps[cell.evaluation]
    return Row(
        id=cell.evaluation,
        label=cell.label,
        schedule=cell.schedule or training.schedule,
        state=state,
        metrics=numbers,
        paper=values.row(cell.evaluation),
        note=note,
    )


def _state(cell: Cell, experiments: Experiments, scale: Scale, complete: bool) -> tuple[State, str]:
    if not experiments.built(cell.evaluation):
        return "not built", ""
    evaluation = experiments.evaluations[cell.evaluation]
    training = experiments.trainings[evaluation.training]
    for seed in training.seeds:
        chain = (
            *([scale.model(training.init_from, seed)] if training.init_from else []),
            scale.model(training.id, seed),
            scale.detections(evaluation, seed),
            scale.metrics(evaluation, seed),
        )
        for artefact in chain:
            if record := read_record(failure_path(artefact)):
                return "failed", f"seed {seed}: {record['error']}"
        beside = scale.matches(evaluation, seed), scale.replicates(evaluation, seed)
        if told := corrupted([*chain, *beside]):
            return "failed", f"seed {seed}: {told}"
    return ("done", "") if complete else ("not run", "")


def _read(path: Path) -> dict:
    """A result's JSON; empty if it is not there, or not the one that was made."""
    if corrupted([path]):
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise UserError(f"{path} is damaged; delete it and run the target again.") from None
