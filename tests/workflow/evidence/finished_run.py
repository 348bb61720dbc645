"""A finished run by hand: tiny files in the places of real ones, each with its record."""

import json
import os
from pathlib import Path

from seesaw.core.provenance import record
from seesaw.spec.scales import Scale

NUMBERS = {"AP": 0.2, "AP_r": 0.1, "AP_c": 0.2, "AP_f": 0.3}


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def evaluated(scale: Scale, name: str, seed: int = 0) -> dict[str, Path]:
    """The chain of an evaluation, made and recorded."""
    evaluation = scale.table.evaluation(name)
    training = scale.table.trainings[evaluation.training]
    entry = scale.entry
    if not entry.manifest.exists():
        write(entry.manifest, '{"categories": 36, "hash": "content", "splits": {}}')
        write(entry.root / entry.val, "[]")
        record(entry.manifest)
    weights = scale.model(training.id, seed)
    inputs = {"manifest": entry.manifest, "config": training.config}
    if training.init_from:
        inputs["init_from"] = scale.model(training.init_from, seed)
    record(write(weights, f"weights of {training.id}"), inputs=inputs, fingerprint="f0", seed=seed)
    detections = write(scale.detections(evaluation, seed), '{"image_id": 1}\n')
    record(detections, inputs={"weights": weights, "manifest": entry.manifest}, seed=seed)
    metrics = write(scale.metrics(evaluation, seed), json.dumps({"segm": NUMBERS, "bbox": NUMBERS}))
    matches = write(scale.matches(evaluation, seed), "matches")
    inputs = {"detections": detections, "annotations": entry.root / entry.val}
    record(metrics, matches, inputs=inputs, seed=seed)
    made = dict(weights=weights, detections=detections, metrics=metrics, matches=matches)
    return made | {"manifest": entry.manifest}


def flip(path: Path) -> None:
    """Change one byte in the middle, as a failing disk does: neither size nor time changes."""
    state = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
