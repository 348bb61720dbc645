"""Exports the results of a scale as a Workflow Run RO-Crate (profile 0.5), from the records.

The crate has one action for each job, from its record, and one for the whole workflow. It contains
small files; weights, detections and other large files are identified by their hash.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from seesaw.core import paths
from seesaw.core.secrets import masked
from seesaw.errors import UserError
from seesaw.training import run_log
from seesaw.workflow.evidence.chain import RECORD, Evidence
from seesaw.workflow.evidence.verify import recorded

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
WORKFLOW = ("workflow/rules/*.smk", "configs/**/*.py", "configs/**/*.yaml", "requirements.lock")
WORKFLOW += ("environment.yml", "CITATION.cff")
LARGEST = 5_000_000  # largest size in bytes of a file that is copied
KINDS = {".json": "application/json", ".jsonl": "application/jsonl", ".csv": "text/csv"}
KINDS |= {".html": "text/html", ".md": "text/markdown", ".txt": "text/plain"}


def write(evidence: Evidence, folder: Path) -> ROCrate:
    """Write the crate of a scale's results into a new folder.

    Raises:
        UserError: the folder exists already, or nothing has been recorded.
    """
    if folder.exists():
        raise UserError(f"{folder} exists; name another folder or remove it.")
    jobs = _jobs(evidence)
    if not jobs:
        raise UserError(f"{evidence.scale.results} holds no recorded results; run the workflow.")
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append("https://w3id.org/ro/terms/workflow-run/context")
    _root(crate, evidence)
    files = _Files(crate, evidence)
    main = crate.add_workflow(paths.ROOT / "Snakefile", "Snakefile", main=True, lang="snakemake")
    main["name"] = "Seesaw Loss for Long-Tailed Instance Segmentation: the supplementary"
    main["license"] = {"@id": LICENCE}
    main["encodingFormat"] = "text/x-python"
    main["conformsTo"] = {"@id": BIOSCHEMAS}
    files.of(paths.ROOT / "README.md")["about"] = crate.root_dataset
    sources = {p for pattern in WORKFLOW for p in paths.ROOT.glob(pattern) if p.is_file()}
    main["hasPart"] = [files.of(p) for p in sorted(sources)]
    actions = [_action(crate, files, job) for job in jobs]
    shown = [evidence.scale.results / name for name in ("tables", "figures", "report")]
    final = [p for job in jobs for p, _ in job if p.parent in shown or p.name == "submission.zip"]
    whole = crate.add_action(
        main,
        "#workflow-run",
        object=[files.of(evidence.scale.entry.manifest), files.of(paths.EXPERIMENTS)],
        result=[files.of(p) for p in final],
        properties={
            "name": f"The workflow at {evidence.scale.full_name} scale",
            "startTime": min(a["startTime"] for a in actions),
            "endTime": max(a["endTime"] for a in actions),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    crate.root_dataset["datePublished"] = whole["endTime"]
    crate.root_dataset["mentions"] = [whole, *actions]
    for log in sorted(evidence.scale.results.rglob(run_log.NAME)):
        files.of(log)
    crate.write(folder)
    return crate


def _jobs(evidence: Evidence) -> list[list[tuple[Path, dict]]]:
    """Return the existing artefacts with their records, grouped by job."""
    found = defaultdict(list)
    for path in recorded(evidence):
        record = evidence.record(path)
        if record and record.get("start") and path.is_file():
            parts = ("start", "command", "host", "inputs")
            found[json.dumps([record.get(part) for part in parts])].append((path, record))
    return [found[key] for key in sorted(found)]


def _root(crate: ROCrate, evidence: Evidence) -> None:
    citation = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    crate.name = f"{citation['title']}: results at {evidence.scale.full_name} scale"
    crate.description = (
        "Tables and figures of the supplementary, with the record of each job that led to them."
    )
    licence = {"@type": "CreativeWork", "name": "Apache License 2.0"}
    crate.add(ContextEntity(crate, LICENCE, licence))
    crate.root_dataset["license"] = {"@id": LICENCE}
    for uri, (name, version) in PROFILES.items():
        described = {"@type": "CreativeWork", "name": name, "version": version}
        crate.add(ContextEntity(crate, uri, described))
    crate.root_dataset["conformsTo"] = [{"@id": uri} for uri in PROFILES]


class _Files:
    """The crate's file entities, one for each file."""

    def __init__(self, crate: ROCrate, evidence: Evidence):
        self._crate, self._evidence = crate, evidence
        self._made: dict[str, Entity] = {}

    def of(self, path: Path, sha256: str | None = None) -> Entity:
        """Return a file's entity, with its content if the file is here, unchanged and small."""
        name = path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else ""
        name = name or path.as_posix().lstrip("/")
        if ".." in Path(name).parts:
            name = path.resolve().as_posix().lstrip("/")
        now = self._evidence.sha256(path)
        sha256 = sha256 or now
        inside = now == sha256 and now is not None and path.stat().st_size <= LARGEST
        identifier = name if inside else f"#sha256-{sha256}"
        if identifier not in self._made:
            facts = {"name": name, "sha256": sha256}
            if now == sha256 and now is not None:
                facts["contentSize"] = str(path.stat().st_size)
            if inside:
                facts["encodingFormat"] = KINDS.get(path.suffix, "application/octet-stream")
                made = self._crate.add_file(path, name, properties=facts)
            else:
                facts |= {"@type": "CreativeWork", "description": "not in this crate"}
                made = self._crate.add(ContextEntity(self._crate, identifier, facts))
            self._made[identifier] = made
        return self._made[identifier]


def _action(crate: ROCrate, files: _Files, job: list[tuple[Path, dict]]) -> Entity:
    path, record = job[0]
    git = record.get("git") or {}
    software = f"#seesaw-{git.get('commit', 'unknown')}"
    tool = crate.dereference(software) or crate.add(
        ContextEntity(
            crate,
            software,
            {
                "@type": "SoftwareApplication",
                "name": "seesaw",
                "softwareVersion": git.get("commit", "unknown"),
                "softwareRequirements": files.of(paths.LOCK),
            },
        )
    )
    start = datetime.fromisoformat(record["start"])
    facts = {k: record.get(k) for k in ("seed", "config_hash", "fingerprint", "attempt", "device")}
    said = ", ".join(f"{k} {v}" for k, v in facts.items() if v is not None)
    inputs = (record.get("inputs") or {}).values()
    action = crate.add_action(
        tool,
        f"#{path.as_posix().strip('/')}",
        object=[files.of(Path(used["path"]), used["sha256"]) for used in inputs],
        result=[files.of(made) for made, _ in job],
        properties={
            "name": " ".join(masked(record["command"])),
            "description": f"on {record.get('host')}: {said}",
            "startTime": start.isoformat(),
            "endTime": (start + timedelta(seconds=int(record.get("duration") or 0))).isoformat(),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    for made, _ in job:
        files.of(made.with_name(made.name + RECORD))["about"] = {"@id": action.id}
    return action
