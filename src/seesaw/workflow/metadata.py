"""Snakemake's metadata of each file without times, hosts and job ids, kept with the results.

Snakemake makes a file again unless ``.snakemake/metadata`` says from which inputs and parameters
it was made. That folder contains times and job ids, so it is kept out of git and DVC; the part that
stays valid is written to one ``workflow.json`` per stage. In a clone that pulled the results,
`seed` restores the metadata of each file whose content matches the record.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seesaw.core import paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.json import json_or_none
from seesaw.core.records import is_current, read_record, record_of, recorded_hashes
from seesaw.errors import UserError
from seesaw.spec.claims import training_seeds
from seesaw.spec.scales import Scale
from seesaw.workflow.jobs import Job, snakemake_record

NAME = "workflow.json"
# The fields by which Snakemake decides whether to make a file again.
DECIDE = ("input", "params", "input_checksums")
LASTING = ("rule", "record_format_version", *DECIDE)


def write(jobs: Iterable[Job], target: Path) -> None:
    """Write the permanent part of the metadata of jobs, given in topological order.

    Raises:
        UserError: an output is missing, or Snakemake has not made it.
    """
    found, unknown = [], []
    for job in jobs:
        known = [read_record(snakemake_record("metadata", path)) for path in job.outputs]
        for path, record in zip(job.outputs, known, strict=True):
            if not path.is_file():
                raise UserError(f"{path} is missing; run the workflow first.")
            unknown += [str(path)] if record is None else []
        first = known[0] or {}
        lasting = {key: first.get(key) for key in LASTING}
        outputs = {path.as_posix(): sha256_file(path) for path in job.outputs}
        found.append({"outputs": outputs, **lasting})
    if unknown:  # a job on a cluster has ended while no Snakemake ran
        # Together, as one that is touched is newer than those of which nothing is noted.
        fix = f"snakemake --touch --force {shlex.join(unknown)}"
        raise UserError(
            f"Snakemake has no note of how {unknown[0]} was made; `{fix}` with your --profile and "
            "--config writes one and keeps what is there."
        )
    write_atomic(target, json.dumps(found, indent=1, sort_keys=True) + "\n")


def seed(scale: Scale) -> int:
    """Restore Snakemake's metadata of the results that are here; returns the number of files.

    A record is restored where Snakemake has none, or has one for another file (after ``dvc
    checkout`` of another commit), and the file's content matches the record. Where there is nothing
    to do, each record is only looked up. Other processes may run at the same time.
    """
    sources = [*sorted(scale.results.glob(f"stages/*/{NAME}")), scale.reference / NAME]
    restored: dict[str, str] = {}
    for source in sources:
        for job in _read(source):
            outputs = {Path(path): digest for path, digest in job["outputs"].items()}
            if not any(_unknown(path, job) for path in outputs):
                continue
            if all(path.is_file() and sha256_file(path) == d for path, d in outputs.items()):
                _take_over(job, outputs, restored)
    return len(restored)


def forget_older(scale: Scale, fingerprints: Mapping[str, Any]) -> list[Path]:
    """Remove Snakemake's metadata of older weights and detections than are here; return these.

    A job on a cluster that ends while no Snakemake runs leaves the metadata of the file before its
    own, for which Snakemake would delete what the job has made. The provenance record says what the
    file is.
    """
    seeds, found = training_seeds(scale), []
    every = [(f"train/{t}/seed{s}", scale.model(t, s)) for t in seeds for s in seeds[t]]
    for e in scale.table.evaluations.values():
        every += [(f"detect/{e.id}", scale.detections(e, s)) for s in seeds[e.training]]
    for key, path in every:
        record, now = record_of(path) or {}, fingerprints.get(key)
        if not now or record.get("fingerprint") != now or not path.is_file():
            continue
        known = snakemake_record("metadata", path)
        noted = (read_record(known) or {}).get("params")
        if noted is None or repr(now) in noted or snakemake_record("incomplete", path).exists():
            continue
        if is_current(record, now, recorded_hashes(record)):
            with suppress(OSError):  # another user's
                known.unlink()
                found.append(path)
    return found


def _read(source: Path) -> list[dict]:
    """Read the jobs in a file; empty if it is missing or half pulled, so that they are repeated."""
    jobs = json_or_none(source, list[dict]) or []
    return [job for job in jobs if {"outputs", *LASTING} <= job.keys() and _typed(job)]


def _typed(job: dict) -> bool:
    outputs, checksums = job["outputs"], job["input_checksums"] or {}
    if not (isinstance(outputs, dict) and isinstance(checksums, dict)):
        return False
    return isinstance(job["input"], list) and all(isinstance(path, str) for path in job["input"])


def _unknown(path: Path, job: dict) -> bool:
    """Whether a file exists whose metadata is missing or belongs to another file."""
    if not path.is_file() or snakemake_record("incomplete", path).exists():
        return False
    known = read_record(snakemake_record("metadata", path))
    if known is None:
        return True
    # Snakemake records the modification time of the file it made, which identifies the file.
    same_file = abs((known.get("endtime") or 0) - path.stat().st_mtime) < 1e-3
    other = [key for key in DECIDE if known.get(key) != job[key]]
    if same_file and other == ["input_checksums"]:  # same bytes from other inputs
        checksums = (job["input_checksums"] or {}).items()
        return all(Path(p).is_file() and f"sha256:{sha256_file(p)}" == c for p, c in checksums)
    return not same_file and bool(other)


def _take_over(job: dict, outputs: dict[Path, str], restored: dict[str, str]) -> None:
    # A pull writes files in any order. A verified input is not really newer than its output, but
    # Snakemake would have to hash models at paper scale at each start to find that out.
    verified = [Path(path) for path in job["input"] if _is_recorded(path, job, restored)]
    newest = max((path.stat().st_mtime_ns for path in verified), default=0)
    for path, digest in outputs.items():
        if path.stat().st_mtime_ns < newest:
            with suppress(PermissionError):  # another user's file: Snakemake hashes the inputs
                os.utime(path, ns=(newest, newest))
        record = {key: job[key] for key in LASTING}
        record |= {"endtime": path.stat().st_mtime, "incomplete": False}
        # Without this folder Snakemake would assume that an old version wrote the metadata.
        (paths.ROOT / ".snakemake/incomplete").mkdir(parents=True, exist_ok=True)
        write_atomic(snakemake_record("metadata", path), json.dumps(record))
        restored[path.as_posix()] = digest


def _is_recorded(path: str, job: dict, restored: dict[str, str]) -> bool:
    digest = f"sha256:{restored.get(path)}"
    return path in restored and (job["input_checksums"] or {}).get(path, digest) == digest
