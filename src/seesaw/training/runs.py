"""Helpers for tracking: W&B's mode, a training's identity, and results of evaluations."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from seesaw.core.files import write_atomic
from seesaw.core.provenance import Provenance
from seesaw.core.records import is_current, read_record, record_of
from seesaw.errors import UserError
from seesaw.spec import site
from seesaw.spec.experiments import Evaluation, Experiments, Training
from seesaw.spec.metrics import METRICS
from seesaw.spec.scales import Scale
from seesaw.training import run_log

MODES = ("off", "offline", "online")


def mode() -> str:
    """Return W&B's mode: WANDB_MODE, else ``wandb`` of site.yaml, else off.

    Raises:
        UserError: WANDB_MODE is not off, offline or online (``disabled`` is W&B's word for off).
    """
    given = os.environ.get("WANDB_MODE") or site.load().wandb
    given = "off" if given == "disabled" else given
    if given not in MODES:
        raise UserError(f"WANDB_MODE is {given!r}; use one of {', '.join(MODES)}.")
    return given


def header(
    scale: Scale, table: Experiments, training: Training, config: dict, provenance: Provenance
) -> dict:
    """Return the header of a training's run log, which is also its identity in W&B.

    Each combination of training, fingerprint and seed is one W&B run with its own ``id``.
    ``provenance`` is already entered as a context manager.
    """
    facts, used = provenance.facts, provenance.state
    seed, digest = facts["seed"], facts["config_hash"]
    places = [
        c.place for c in table.cells if table.evaluations[c.evaluation].training == training.id
    ]
    return {
        "id": f"{training.id}-seed{seed}-{facts['fingerprint'][:8]}",
        "group": places[0] if places else "no_table",
        "name": training.id,
        "tags": list(dict.fromkeys([scale.full_name, *places, training.schedule, f"seed{seed}"])),
        "scale": scale.full_name,
        "schedule": training.schedule,
        "seed": seed,
        "config_hash": digest,
        "fingerprint": facts["fingerprint"],
        "git": used["git"],
        "dataset": {"name": scale.entry.name, "manifest": used["inputs"]["manifest"]["sha256"]},
        "lock": used["lock"],
        "versions": used["versions"],
        "config": config,
    }


def set_aside(work: Path, manifest: str) -> None:
    """Move the checkpoints and the log of a training on other data out of the way.

    A training resumes what it finds in its work directory, also where the images have changed. The
    log may have been deleted, so a file beside it names the data too; checkpoints with neither may
    be of any data. What was moved comes back with its data. ``manifest`` is the sha256 of the
    present data's.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    log, noted = work / run_log.NAME, work / "manifest.json"
    before = (read_record(noted) or {}).get("sha256")
    before = before or (run_log.read(log).header.get("dataset") or {}).get("manifest")
    old = [path for path in (*work.glob("iter_*.pth"), log, noted) if path.exists()]
    if old and before != manifest:
        kept = work / f"data-{str(before or 'unknown')[:12]}"
        kept.mkdir(exist_ok=True)
        for path in old:
            os.replace(path, kept / path.name)  # nothing is written, so not by `replacing`
        why = "the data have changed" if before else "no record says of which data they are"
        print(f"{work}: {why}, so the training does not go on from its checkpoints; now in {kept}")
    back = work / f"data-{manifest[:12]}"
    if before != manifest and (read_record(back / noted.name) or {}).get("sha256") == manifest:
        print(f"{work}: these data were there before, so the training goes on from then")
        for path in sorted(back.iterdir()):  # checkpoints first, what names their data last
            os.replace(path, work / path.name)
        back.rmdir()
    with suppress(OSError):  # then the log alone names the data
        write_atomic(noted, json.dumps({"sha256": manifest}) + "\n")


def over_attempts(log: Path, made: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a resumed training that those of its last process, ``made``, are not.

    The seconds are those of all iterations: a last process of a few spends most of its time on its
    start. The remarks name what affects the numbers in any iteration, by the run log ``log``.
    """
    _, attempts, steps, _ = run_log.read(log)
    if len(attempts) < 2:
        return {}
    now, remarks = made.get("gpu_switches") or {}, list(made["remarks"])
    for number, attempt in enumerate(attempts):
        end = min((a["iter"] for a in attempts[number + 1 :]), default=made["iterations"])
        if attempt["iter"] < end:  # else none of its iterations is in the weights
            remarks += attempt.get("remarks") or []
            switches = attempt.get("gpu_switches") or {}
            if other := [f"{k} {v}" for k, v in switches.items() if v != now.get(k, v)]:
                remarks.append(f"iterations {attempt['iter'] + 1} to {end}: {', '.join(other)}")
    seconds = made["seconds_per_iteration"] and run_log.pace(steps)
    return {
        "remarks": list(dict.fromkeys(remarks)),
        "seconds_per_iteration": seconds or made["seconds_per_iteration"],
    }


def trained_before(output: Path, log: Path, provenance: Provenance) -> dict[str, Any]:
    """Return the facts of weights that a process only wrote again, from their last checkpoint.

    They are those of the process that trained: from its record or, without one, from its run log
    ``log``. ``rewritten`` describes the present process, ``provenance``.
    """
    now, old = provenance.state, record_of(output) or {}
    inputs = {name: file["sha256"] for name, file in now["inputs"].items() if name != "config"}
    if old.get("fingerprint") and is_current(old, provenance.facts["fingerprint"], inputs):
        before = {name: fact for name, fact in old.items() if name not in ("artefact", "inputs")}
    else:
        header, _, steps, _ = run_log.read(log)
        before = {name: header[name] for name in ("git", "lock", "versions") if name in header}
        # else the seconds of this process would pass for those of the training
        before["seconds_per_iteration"] = run_log.pace(steps)
    wrote = ("command", "git", "lock", "versions", "host", "start")
    return before | {"rewritten": {name: now[name] for name in wrote}}


def log_evaluation(scale: Scale, evaluation: Evaluation, seed: int, metrics: dict) -> Path | None:
    """Add an evaluation's AP to the run log of its training, in percent.

    ``metrics`` is the content of the evaluation's metrics.json.

    Returns:
        The run log, or None if the model has none.
    """
    log = scale.model(evaluation.training, seed).with_name(run_log.NAME)
    found = {name: metrics[kind][key] for name, (kind, key) in METRICS.items()}
    percent = {name: None if ap is None else round(100 * ap, 6) for name, ap in found.items()}
    return log if run_log.append_evaluation(log, evaluation.id, percent) else None
