"""The chain from a number to the files behind it, as text."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path
from typing import Any

from seesaw.core import paths
from seesaw.core.borders import plain
from seesaw.core.json import json_or_none
from seesaw.core.names import instead
from seesaw.errors import UserError
from seesaw.results.tables.collect import collect
from seesaw.spec import figures
from seesaw.spec.metrics import METRICS
from seesaw.spec.outputs import Metrics
from seesaw.spec.scales import snakemake_command
from seesaw.workflow.evidence.chain import SOURCES, Evidence


def cell(evidence: Evidence, place: str, row: str, column: str) -> tuple[list[str], list[Path]]:
    """Explain a table's cell: lines about its value, and the files with it, one for each seed.

    Raises:
        UserError: the table has no such row or column.
    """
    scale = evidence.scale
    table = scale.table
    name = table.place_id(place)
    columns = [c for c in table.places[name].columns if c != "schedule"]
    if column not in columns:
        raise UserError(f"{name} has no column {column!r}; {instead(column, columns)}")
    evaluation = table.evaluation(row)
    if evaluation.id not in {c.evaluation for c in table.place_cells(name)}:
        raise UserError(f"{evaluation.id} is no row of {name}; see `seesaw show {name}`.")
    shown = next(r for r in collect(name, scale).rows if r.id == evaluation.id)
    value, state = shown.value(column), shown.column_state(column)
    if value is None and state == "done":
        said = "undefined, as the annotations have no such category"
    else:
        said = state if value is None else f"{value:.4f}"
    lines = [f"{name}, {shown.label} ({shown.id}), {column}: {said}"]
    lines += [f"  {shown.note}"] if shown.note else []
    seeds, kept = table.seeds(evaluation.id), scale.frozen()
    committed = [kept.speed] if column == "fps" else [kept.metrics(evaluation, s) for s in seeds]
    if value is None and not evidence.committed and any(path.is_file() for path in committed):
        asked = f"seesaw explain {name} {evaluation.id} {column} --reference"
        lines.append(f"  {scale.reference} has it: {asked}")
    if column == "fps":
        return [*lines, f"  {scale.speed}: fps.ours.{shown.id}"], [scale.speed]
    kind, key = METRICS[column]
    files = [scale.metrics(evaluation, seed) for seed in seeds]
    if len(seeds) > 1:
        lines.append(f"  the mean over seeds {', '.join(map(str, seeds))}")
    for path in files:
        content: dict[str, Any] = json_or_none(path, Metrics) or {}
        number = content.get(kind, {}).get(key, "not there")
        lines.append(f"  {path}: {kind}.{key} = {number}, in percent above")
    return lines, files


def figure(
    evidence: Evidence, name: str, row: str, column: str | None
) -> tuple[list[str], list[Path]]:
    """Explain a figure's number: the lines of its data that have ``row`` as one of their fields.

    A committed figure is stored in git without a record, so the results that it shows are listed.

    Raises:
        UserError: the figure has not been drawn, or has no such row or column.
    """
    scale = evidence.scale
    path, shown_results = figures.outputs(name, scale)["csv"], []
    if evidence.committed and scale.full_name == figures.SHOWN:
        path = figures.committed(name)["csv"]
        shown_results = [*figures.results(name, scale).values()]
    if not path.is_file():
        shown = scale.full_name == figures.SHOWN and not evidence.committed
        also = ", or explain the committed one with --reference" if shown else ""
        command = snakemake_command(scale, name)
        raise UserError(f"{path} is missing; run `{command}` first{also}.")
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictReader(file, restkey="", restval="")  # a damaged line lacks fields
        found = [(n, line) for n, line in enumerate(rows, 2) if row in line.values()]
    if not found:
        raise UserError(f"{path} has no line with a field {row!r}; look into the file.")
    if column is not None and column not in found[0][1]:
        raise UserError(f"{path} has no column {column!r}; {instead(column, found[0][1])}")
    lines = [f"{name}, {plain(row)}{f', {plain(column)}' if column else ''}: {path}"]
    for number, line in found:
        shown = line if column is None else {column: line[column]}
        cells = (f"{plain(str(k))} = {plain(str(v))}" for k, v in shown.items())
        lines.append(f"  line {number}: " + ", ".join(cells))
    return lines, [path, *shown_results]


def described(evidence: Evidence, path: Path) -> list[str]:
    """Describe a file: whether it matches its record, how it was made, and how to repeat that."""
    record, state = evidence.record(path), evidence.state(path)
    if record is None and state == "no record":
        kept = " (in git)" if path.suffix in SOURCES or path.parent == paths.NOTEBOOKS else ""
        return [f"{path}  no record{kept}", f"  sha256      {evidence.sha256(path)}"]
    lines = [f"{path}  {state}"]
    if record is None:
        return lines
    git, versions = record.get("git") or {}, record.get("versions") or {}
    code = f"commit {git.get('commit', 'unknown')}"
    if "dirty" in git:
        code += f" and uncommitted changes (sha256 {git['dirty'][:12]})"
    facts = {
        "sha256": record["artefact"]["sha256"],
        "command": shlex.join(record.get("command") or []),
        "code": code,
        "config": record.get("config_hash"),
        "fingerprint": record.get("fingerprint"),
        "seed": record.get("seed"),
        "made": _made(record),
        "lock": record.get("lock"),
        "with": ", ".join(f"{k} {v}" for k, v in versions.items() if v),
        "W&B": record.get("wandb_run"),
    }
    lines += [f"  {name:11} {fact}" for name, fact in facts.items() if fact not in (None, "")]
    lines += [f"  remark      {remark}" for remark in record.get("remarks") or []]
    other = set(evidence.other_versions(path))
    for used in evidence.inputs(path):
        note = "  (another version is here now)" if used in other else ""
        lines.append(f"  of          {used.path}  sha256 {used.sha256[:12]}{note}")
    return [*lines, f"  remake      {evidence.repair(path)}"]


def _made(record: dict) -> str:
    if not record.get("start"):
        return ""
    attempt = record.get("attempt") or 1
    parts = [record["start"], f"{record.get('duration')} s", f"attempt {attempt}"]
    return ", ".join([*parts, f"on {record.get('host')}", str(record.get("device"))])
