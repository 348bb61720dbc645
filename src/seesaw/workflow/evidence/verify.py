"""Verifies files against their records, artefacts against inputs, and tables against metrics."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from seesaw.core import paths
from seesaw.core.json import read_json
from seesaw.core.records import failure_path, provenance_path
from seesaw.data.unchanged import changes
from seesaw.errors import UserError
from seesaw.results.tables.collect import collect
from seesaw.results.tables.recorded import table_inputs
from seesaw.results.tables.render import FORMATS, differing
from seesaw.spec import claims, zoo
from seesaw.spec.outputs import Manifest
from seesaw.training import run_log
from seesaw.workflow.evidence.chain import RECORD, Evidence

# The folders of a training or an evaluation with one seed, among a scale's results.
RUN = re.compile(r"[^/]+/seed\d+(/[^/]+)?|errors/[^/]+/seed\d+")


class Fault(NamedTuple):
    """An inconsistency that verification found."""

    path: Path
    what: str
    repair: str


def verify(evidence: Evidence) -> tuple[list[Fault], int]:
    """Return all faults in the files of a scale, and the number of files that were checked."""
    files = recorded(evidence)
    faults = _removed(evidence, files)
    removed = {fault.path for fault in faults}
    faults += _files(evidence, [path for path in files if path.parent not in removed])
    faults += [*_data(evidence), *_logs(evidence)]
    faults += _tables(evidence, {f.path for f in faults if f.what.startswith("corrupt")})
    return list({f.path: f for f in reversed(faults)}.values())[::-1], len(files)


def recorded(evidence: Evidence) -> list[Path]:
    """Return the scale's files that have a record, or should have one."""
    scale = evidence.scale
    found = {
        path.with_name(path.name.removesuffix(RECORD)) for path in scale.results.rglob(f"*{RECORD}")
    }
    if not evidence.committed:
        expected = {scale.entry.manifest, *scale.results.glob("pretrained/*.pth")}
        found |= {path for path in expected | evidence.outputs if path.is_file()}
    return sorted(found)


def _removed(evidence: Evidence, files: list[Path]) -> list[Fault]:
    """Find the folders of rows and seeds that the workflow does not have any more.

    No rule makes their files again.
    """
    scale, table = evidence.scale, evidence.scale.table
    released = zoo.load().models
    seeds = claims.training_seeds(scale) | {name: [0] for name in released}
    evaluations = [*table.evaluations.values(), *(model.evaluation for model in released.values())]
    known = {
        folder
        for e in evaluations
        for seed in seeds[e.training]
        for folder in (
            scale.model(e.training, seed).parent,
            scale.metrics(e, seed).parent,
            scale.errors(e, seed).parent,
        )
    }
    known |= {path.parent for path in evidence.outputs}
    here = {path.parent for path in files if path.is_relative_to(scale.results)}
    runs = {folder for folder in here if RUN.fullmatch(str(folder.relative_to(scale.results)))}
    found = sorted(runs - known)
    if evidence.committed:
        numbers = sorted((scale.results / "summary").glob("*.json"))
        found += [path for path in numbers if path.stem not in table.evaluations]
    what = f"is of a row or seed that neither {table.path} nor {paths.CLAIMS} has"
    again = scale.freeze_command if evidence.committed else None
    return [Fault(path, what, again or f"rm -rf {shlex.quote(str(path))}") for path in found]


def _files(evidence: Evidence, files: list[Path]) -> list[Fault]:
    faults = []
    for path in files:
        state, repair = evidence.state(path), evidence.repair(path)
        if state == "corrupt":
            record, found = evidence.record(path), evidence.sha256(path)
            assert record is not None and found is not None  # else it would not be corrupt
            what = f"corrupt: sha256 {found[:12]}, recorded {record['artefact']['sha256'][:12]}"
            faults.append(Fault(path, what, repair))
        elif state == "missing" and evidence.record(path) and not evidence.committed:
            if not failure_path(path).exists():  # a failure is reported in the tables instead
                faults.append(Fault(path, "missing: its record is here", repair))
        elif state == "damaged record":
            damaged = provenance_path(path) if evidence.committed else path
            faults.append(Fault(path, "its record cannot be read", evidence.repair(damaged)))
        elif state == "no record":
            faults.append(Fault(path, "has no record: nothing vouches for it", repair))
        elif other := evidence.other_versions(path):
            what = f"was made from another version of {other[0].path}"
            faults.append(Fault(path, what, repair))
    return faults


def _data(evidence: Evidence) -> list[Fault]:
    """Check the dataset's files, if they exist, against its manifest."""
    entry = evidence.scale.entry
    if evidence.committed or not entry.manifest.is_file():
        return []
    repair, faults = evidence.repair(entry.manifest), []
    try:
        known = read_json(entry.manifest, Manifest, "make it again")
    except UserError as error:
        return [Fault(entry.manifest, f"corrupt: {error}", repair)]
    if not (entry.root / entry.train).is_file():
        return []
    for split, said in known["splits"].items():
        try:
            for path, what in changes(entry, known, split):
                faults.append(Fault(path, f"corrupt: {what} of {entry.manifest.name}", repair))
        except UserError as error:
            path = entry.root / said["annotations"].get("file", split)
            faults.append(Fault(path, str(error), repair))
    return faults


def _logs(evidence: Evidence) -> list[Fault]:
    """Check that each training's log is of the data that its record names."""
    faults = []
    for log in sorted(evidence.scale.results.glob(f"*/seed*/{run_log.NAME}")):
        model = log.with_name("model.pth")
        named = ((evidence.record(model) or {}).get("inputs") or {}).get("manifest") or {}
        began = (run_log.read(log).header.get("dataset") or {}).get("manifest")
        if began and named and began != named.get("sha256"):
            what = "was trained on other data than its record names"
            faults.append(Fault(model, what, evidence.repair(model)))
    return faults


def _tables(evidence: Evidence, corrupt: set[Path]) -> list[Fault]:
    """Build the existing tables again, without GPU, data or network, and compare them.

    Tables that depend on a corrupt file are skipped; they can be compared once it is repaired.
    A table that the experiment table does not have any more is a fault, unless a rule of its own
    makes it.
    """
    scale, faults = evidence.scale, []
    places = scale.table.places
    for path in sorted({*scale.tables.glob("*.csv")} - evidence.outputs):
        if path.stem not in places:
            what = f"is of a table that {scale.table.path} does not have"
            files = shlex.quote(str(path.with_suffix("")))
            again = scale.freeze_command if evidence.committed else f"rm -f {files}.*"
            faults.append(Fault(path, what, again))
    for place in places:
        if not any((scale.tables / f"{place}.{s}").is_file() for s in FORMATS):
            continue
        used = table_inputs(place, scale).values()
        below = {path for file in used for path in evidence.chain(file)}
        # matches.npz is not an input of a table, but lies beside one.
        if any(c in below or c.with_name("metrics.json") in below for c in corrupt):
            continue
        try:
            made = collect(place, scale)
        except UserError as error:
            faults.append(Fault(scale.tables / place, f"cannot be built: {error}", ""))
            continue
        for path in differing(made, scale.tables):
            other = "differs from the table that the metrics give now"
            what = other if path.is_file() else "missing"
            faults.append(Fault(path, what, evidence.repair(path)))
    return faults
