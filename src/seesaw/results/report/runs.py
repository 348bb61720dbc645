"""Cost, hardware and losses of each training, from its records and run logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seesaw.core.records import provenance_path, read_record, record_of, recorded_seconds
from seesaw.results.report import losses
from seesaw.spec.scales import Scale
from seesaw.training import run_log


@dataclass(frozen=True)
class Run:
    """One training with one seed."""

    name: str  # id of the training, with the seed where there are several
    label: str  # its label in the first table or figure that shows it
    record: dict  # record of its weights; empty if there is none
    steps: list[dict]  # the steps in its run log; of the reference, the losses that it keeps of it
    # seconds of all its detections, over splits and settings; None if not recorded
    detection: float | None
    read: list[Path]  # the files that were read

    @property
    def iterations(self) -> int | None:
        """Return the number of iterations of the whole training."""
        return self.record.get("iterations") or max((s["iter"] for s in self.steps), default=None)

    @property
    def seconds(self) -> float | None:
        """Return the wall time of the whole training in seconds."""
        return recorded_seconds(self.record)

    @property
    def memory(self) -> float | None:
        """Return the peak memory in MiB: that of the GPU or, without one, that of the process."""
        return max((s["memory"] for s in self.steps if s.get("memory")), default=None)


def runs(scale: Scale) -> list[Run]:
    """Return the finished trainings of a scale's experiment table, in its order.

    Of the reference these are the trainings of which it keeps the losses.

    Raises:
        UserError: the losses of one of them are damaged.
    """
    table, found = scale.table, []
    for t in table.trainings.values():
        evaluations = [e for e in table.evaluations.values() if e.training == t.id]
        ids = {e.id for e in evaluations}
        label = next((c.label for c in table.cells if c.evaluation in ids), "")
        for seed in t.seeds:
            weights = scale.model(t.id, seed)
            log, kept = weights.with_name(run_log.NAME), losses.path(weights)
            if weights.is_file():
                steps = run_log.read(log).steps
            elif kept.is_file():  # in the reference
                log, steps = kept, losses.read(kept)
            else:
                continue
            records = [provenance_path(scale.detections(e, seed)) for e in evaluations]
            times = [recorded_seconds(r) for path in records if (r := read_record(path))]
            files = [path for path in (provenance_path(weights), log, *records) if path.is_file()]
            name = f"{t.id} seed {seed}" if len(t.seeds) > 1 else t.id
            record = record_of(weights) or {}
            total = None if None in times else sum(filter(None, times)) or None
            found.append(Run(name, label, record, steps, total, files))
    return found


def environment(found: list[Run]) -> dict[str, list[str]]:
    """Return the trainings' environments: name -> its versions, usually one."""
    rows: dict[str, dict[str, None]] = {}
    for run in found:
        facts = dict(run.record.get("versions") or {})
        if lock := run.record.get("lock"):
            facts["requirements.lock (sha256)"] = lock[:16]
        if device := run.record.get("device") or run.record.get("processor"):
            facts["device"] = device
        for name, value in facts.items():
            rows.setdefault(name, {})[str(value)] = None
    return {name: sorted(values) for name, values in rows.items()}
