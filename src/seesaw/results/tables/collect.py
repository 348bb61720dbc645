"""Collects tables from results; a cell without a result states the reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from seesaw.core import paths
from seesaw.core.integrity import corrupted
from seesaw.core.json import read_json
from seesaw.core.records import (
    changed_inputs,
    failure_of,
    provenance_path,
    record_of,
    recorded_hashes,
    remake,
)
from seesaw.errors import UserError
from seesaw.evaluation import replicates, uncertainty
from seesaw.evaluation.submission import receipt
from seesaw.results.tables.speed_notes import gpu_notes, speed_note
from seesaw.results.tables.tables import Row, State, Table
from seesaw.spec import paper
from seesaw.spec.experiments import Cell, Evaluation, Experiments, Training
from seesaw.spec.metrics import METRICS
from seesaw.spec.outputs import Metrics, Speed
from seesaw.spec.scales import Scale

PERCENT = 100
# Decimals of an error in percent: more than are printed, few enough to agree on all machines.
DIGITS = 6


def collect(place: str, scale: Scale) -> Table:
    """Return the table at ``place`` from the metrics that exist among the scale's results.

    Raises:
        UserError: no such table exists, or a metrics file is damaged.
    """
    values, table = paper.load(), scale.table
    spec = table.places[place]
    measured: dict[str, Any] = {}
    notes: list[str] = []
    if "fps" in spec.columns:
        if failure := failure_of(scale.speed):
            notes = [f"fps failed: {failure['error']}"]
        elif damaged := corrupted([scale.speed]):
            notes = [damaged]
        else:
            measured = read(scale.speed, Speed)
    fps = measured.get("fps", {}).get("ours", {})
    cells = table.place_cells(place)
    labels = {cell.evaluation: cell.label for cell in cells}
    rows: list[Row] = []
    above: str | None = None
    runs_above: dict[int, replicates.Replicates] = {}
    for cell in cells:
        row = _row(cell, above, scale, values, fps)
        runs = _runs(row, scale)
        rows.append(_with_errors(row, runs, above, runs_above, table))
        above, runs_above = row.id, runs
    if fps:
        notes = [speed_note(measured, labels, scale.name)]
    if "fps" in spec.columns and scale.name == "paper":
        notes += gpu_notes(labels)
    return Table(
        name=place,
        title=spec.title,
        scale=scale.name,
        dataset=None if scale.full_name == scale.name else scale.entry.name,
        columns=spec.columns,
        increments=spec.increments,
        heading=spec.heading,
        rows=rows,
        test_dev=_test_dev(scale) if place == "table_a1" else None,
        paper_test_dev=values.test_dev.AP,
        notes=notes,
    )


def _test_dev(scale: Scale) -> str:
    table = scale.table
    if not table.submissions:
        return "not submitted"
    entry = table.submissions[0]
    return receipt.status(scale.submission(entry, table.seeds(entry.id)[0]))


def _row(cell: Cell, above: str | None, scale: Scale, values: paper.PaperValues, fps: dict) -> Row:
    evaluation = scale.table.evaluations[cell.evaluation]
    training = scale.table.trainings[evaluation.training]
    done = [
        metrics
        for seed in training.seeds
        if (metrics := read(scale.metrics(evaluation, seed), Metrics))
    ]
    state, note = _state(evaluation, scale, complete=len(done) == len(training.seeds))
    paper_row = values.row_below(above, cell.evaluation)
    schedule = cell.schedule or training.schedule
    row = Row(cell.evaluation, cell.label, schedule, state, paper=paper_row, note=note)
    if state != "done":
        return row
    numbers = means(done)
    if cell.evaluation in fps:
        numbers["fps"] = fps[cell.evaluation]
    records = {seed: provenance_path(scale.metrics(evaluation, seed)) for seed in training.seeds}
    evidence = {seed: p.relative_to(scale.results).as_posix() for seed, p in records.items()}
    remarks, note = _remarks(evaluation, training, scale), _outdated(evaluation, scale)
    return dataclasses.replace(row, metrics=numbers, remarks=remarks, note=note, evidence=evidence)


def means(seeds: Sequence[Mapping]) -> dict[str, float | None]:
    """Return column -> AP in percent, the mean of the seeds' metrics.

    It is None where it is undefined, because the ground truth has no such category.
    """
    found = {}
    for column, (kind, key) in METRICS.items():
        values = [metrics[kind][key] for metrics in seeds]
        found[column] = None if None in values else PERCENT * mean(values)
    return found


def sources(place: str, scale: Scale) -> list[Path]:
    """Return the files from which a table's numbers were made and those beside them."""
    table = scale.table
    found = [scale.speed] if "fps" in table.places[place].columns else []
    for cell in table.place_cells(place):
        for seed in table.seeds(cell.evaluation):
            found += scale.chain(table.evaluations[cell.evaluation], seed)
    return list(dict.fromkeys(found))


def _remarks(evaluation: Evaluation, training: Training, scale: Scale) -> list[str]:
    """Return the remarks in the records of a row's artefacts, each sentence once."""
    found: dict[str, None] = {}
    for seed in training.seeds:
        for artefact in scale.chain(evaluation, seed):
            record = record_of(artefact) or {}
            found |= dict.fromkeys(map(str, record.get("remarks") or []))
    return list(found)


def _outdated(evaluation: Evaluation, scale: Scale) -> str:
    """Return which file of a row is of other weights, detections or data than are here; or "".

    A reference has none of these.
    """
    live = scale.results == paths.ROOT / "results" / scale.full_name
    for seed in scale.table.seeds(evaluation.id) if live else ():
        for path in scale.chain(evaluation, seed):
            record = record_of(path) or {}
            for name in changed_inputs(record, recorded_hashes(record)):
                other = f"{path.name} was made from another {record['inputs'][name]['path']}"
                return f"seed {seed}: {other} than is here; run the workflow again"
    return ""


def _runs(row: Row, scale: Scale) -> dict[int, replicates.Replicates]:
    """Return seed -> replicates of a row that is done; empty where a file is missing."""
    evaluation = scale.table.evaluations[row.id]
    paths = {seed: scale.replicates(evaluation, seed) for seed in row.evidence}
    if not all(path.is_file() for path in paths.values()):
        return {}
    return {
        seed: replicates.load(path, read(scale.metrics(evaluation, seed), Metrics))
        for seed, path in paths.items()
    }


def _with_errors(
    row: Row, runs: dict, above: str | None, runs_above: dict, table: Experiments
) -> Row:
    """Return the row with errors of its values and increments, over the seeds of both rows."""
    if not runs:
        missing = "its replicates.json is missing: no standard errors; run evaluate again"
        return dataclasses.replace(row, note=missing) if row.state == "done" else row
    found, steps, between = uncertainty.level(list(runs.values())), {}, 2
    if above and (common := sorted(runs.keys() & runs_above.keys())):
        pair = [runs_above[seed] for seed in common], [runs[seed] for seed in common]
        between = trainings_between(above, row.id, table)
        try:
            steps = uncertainty.paired_difference(*pair)
        except UserError as error:
            raise UserError(f"{above} and {row.id}: {error}") from None
    errors, increments = _rounded(found), _rounded(steps)
    return dataclasses.replace(row, errors=errors, steps=increments, trainings=between)


def trainings_between(above: str, row: str, table: Experiments) -> int:
    """Return the number of trainings that two rows do not share: see `Row.trainings`."""
    a, b = (table.trainings[table.evaluations[e].training] for e in (above, row))
    return 0 if a.id == b.id else 1 if a.id == b.init_from or b.id == a.init_from else 2


def _rounded(
    estimates: dict[str, uncertainty.Estimate | None],
) -> dict[str, uncertainty.Estimate]:
    return {
        name: uncertainty.Estimate(*(v and round(v, DIGITS) for v in dataclasses.astuple(found)))
        for name, found in estimates.items()
        if found
    }


def _state(evaluation: Evaluation, scale: Scale, complete: bool) -> tuple[State, str]:
    if not scale.table.built(evaluation.id):
        return "not built", ""
    for seed in scale.table.seeds(evaluation.id):
        files = scale.chain(evaluation, seed)
        for artefact in files:
            if record := failure_of(artefact):
                return "failed", f"seed {seed}: {record['error']}"
        if fault := corrupted(files):
            return "failed", f"seed {seed}: {fault}"
    return ("done", "") if complete else ("not run", "")


def read(path: Path, kind: Any) -> dict:
    """Return a result's JSON; empty if the file is missing or has changed since it was recorded."""
    if corrupted([path]) or not path.is_file():
        return {}
    return read_json(path, kind, remake(path))
