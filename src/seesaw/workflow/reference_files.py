"""The files of a reference: copies of small results, what the report shows, and their records."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesaw.core.files import replacing, write_atomic
from seesaw.core.integrity import refuse
from seesaw.core.provenance import file_of
from seesaw.core.records import provenance_path, read_record, record_of, recorded_hashes
from seesaw.core.versions import library_versions
from seesaw.results.report import losses
from seesaw.spec.scales import Scale
from seesaw.training import run_log
from seesaw.workflow.jobs import Job, snakemake_record

# The fields of a record that are the same in a rerun.
LASTING = (
    *("artefact", "command", "fingerprint", "config_hash", "seed", "git"),
    *("inputs", "lock", "versions", "processor", "remarks", "accuracy"),
)
# The files to copy: of an evaluation its numbers, of a training what lies beside its weights.
SMALL = ("metrics.json", "replicates.json", "speed.json", "gradients.json", "errors.json")
SMALL += ("claims.json",)


def copy_file(path: Path, target: Path, fingerprint: str | None) -> None:
    """Copy a result if it is small, and its record; ``fingerprint`` is its job's current one."""
    if path.name in SMALL and path.is_file():
        refuse([path])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    copy_record(path, target, fingerprint)


def keep_losses(made: list[Job], scale: Scale, new: Path, known: Mapping[str, str]) -> None:
    """Keep the losses of each training in the folder ``new``.

    Their record is its weights', but for the command; ``known`` are the current fingerprints.
    """
    for job in (job for job in made if job.rule == "train"):
        model = job.outputs[0]
        if steps := run_log.read(model.with_name(run_log.NAME)).steps:
            target = new / losses.path(model).relative_to(scale.results)
            write_atomic(target, losses.thinned(steps))
            own = file_of(target, scale.reference / target.relative_to(new))
            copy_record(model, target, known.get(job.key), artefact=own, command=_again(scale))


def keep_examples(scale: Scale, new: Path, fingerprint: str) -> None:
    """Keep the examples that the report shows in the folder ``new``, if it shows any.

    Their records name the detections that were drawn; ``fingerprint`` is the report's current one.
    Where none can be drawn, as without images, the reference's own stay if they show these
    detections.
    """
    from seesaw.results.report import examples  # late, as it loads OpenCV

    shown = examples.examples(scale)
    listed = examples.index(scale.frozen())
    if not shown.pictures and listed.is_file():
        known = record_of(listed) or {}
        drawn = {name: file["sha256"] for name, file in (known.get("inputs") or {}).items()}
        if drawn and recorded_hashes(known) == drawn:
            shutil.copytree(listed.parent, examples.index(scale.frozen(new)).parent)
        else:
            print(f"{listed.parent} is left out. {shown.note}", file=sys.stderr)
        return
    found = {path: record_of(path) or {} for path in shown.read}
    record = {
        "command": _again(scale),
        "fingerprint": fingerprint,
        "inputs": {
            path.as_posix(): r.get("artefact") or file_of(path) for path, r in found.items()
        },
        "versions": library_versions(),
    }
    for name, content in examples.small(shown).items():
        target = examples.index(scale.frozen(new)).with_name(name)
        with replacing(target) as temporary:
            temporary.write_bytes(content)
        own = file_of(target, scale.reference / target.relative_to(new))
        write(provenance_path(target), {"artefact": own, **record})


def _again(scale: Scale) -> list[str]:
    return shlex.split(scale.freeze_command)


def copy_record(path: Path, target: Path, fingerprint: str | None = None, **own: Any) -> None:
    """Copy a result's record, if it has one, without what differs in a rerun.

    ``fingerprint`` is the current one of its job; ``own`` are fields that take the place of others.
    """
    if record := record_of(path):
        kept = {key: record[key] for key in LASTING if key in record}
        noted = (read_record(snakemake_record("metadata", path)) or {}).get("params") or ()
        # A run that nobody noted to be of this code must not pass for one.
        if record.get("fingerprint") is None and repr(fingerprint) in noted:
            kept["fingerprint"] = fingerprint
        write(provenance_path(target), kept | own)


def write(path: Path, content: dict) -> None:
    """Write a JSON file whose bytes depend on its content alone."""
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
