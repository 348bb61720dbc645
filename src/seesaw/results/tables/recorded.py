"""Writes tables to disk together with their records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seesaw.core import paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.integrity import corrupted
from seesaw.core.provenance import Provenance
from seesaw.core.records import is_current, record_of
from seesaw.results.tables.render import FORMATS
from seesaw.results.tables.tables import Table
from seesaw.spec.scales import Scale


def table_inputs(place: str, scale: Scale) -> dict[str, Path]:
    """Return the existing files from which a table is made: name -> file."""
    table = scale.table
    files = {"paper": paths.PAPER_VALUES}
    if "fps" in table.places[place].columns:
        files["speed"] = scale.speed
    for cell in table.place_cells(place):
        evaluation = table.evaluations[cell.evaluation]
        for seed in table.seeds(evaluation.id):
            name = f"{evaluation.id}/seed{seed}"
            files[f"{name}/metrics"] = scale.metrics(evaluation, seed)
            files[f"{name}/replicates"] = scale.replicates(evaluation, seed)
    return {name: path for name, path in files.items() if path.is_file()}


def write_recorded(table: Table, scale: Scale, folder: Path | None = None) -> dict[str, Path]:
    """Write a table in all formats with its records, and return format -> path.

    Files that are up to date stay untouched. ``folder`` is by default the one in which the workflow
    expects complete tables.
    """
    folder = folder or scale.tables
    texts = {folder / f"{table.name}.{suffix}": made(table) for suffix, made in FORMATS.items()}
    # A damaged file is no input: its cell says so, and its number is left out.
    every = table_inputs(table.name, scale)
    write_texts(texts, {name: path for name, path in every.items() if not corrupted([path])})
    return dict(zip(FORMATS, texts, strict=True))


def write_texts(texts: dict[Path, str], inputs: dict[str, Path], **facts: Any) -> None:
    """Write files with their records, unless they have these texts and records of these inputs.

    ``inputs`` are the files from which they were made; ``facts`` are as in `Provenance`.
    """
    if not all(_is_same(path, text, inputs) for path, text in texts.items()):
        with Provenance(*texts, inputs=inputs, **facts):
            for path, text in texts.items():
                write_atomic(path, text)


def _is_same(path: Path, text: str, inputs: dict[str, Path]) -> bool:
    """Whether a file has this text, and its record the current hashes of these inputs."""
    record = record_of(path) or {}
    now = {name: sha256_file(file) for name, file in inputs.items()}
    used = record.get("inputs")
    if used is None or used.keys() != now.keys() or not is_current(record, inputs=now):
        return False
    return path.is_file() and path.read_bytes() == text.encode()
