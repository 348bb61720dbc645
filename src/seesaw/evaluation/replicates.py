"""``replicates.json``: an evaluation's bootstrap replicates, small enough to be committed.

All evaluations on one dataset draw the same images (`resample.replicates`), so the difference of
two evaluations' replicates is paired over images and does not need their matches. Tables and
verdicts read only these files and ``metrics.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seesaw.core.files import write_atomic
from seesaw.core.json import read_json
from seesaw.core.records import remake
from seesaw.errors import UserError
from seesaw.spec import outputs
from seesaw.spec.metrics import MASK, METRICS

UNIT = 1e-5  # of AP as a fraction: 0.001 of AP in percent


@dataclass(frozen=True)
class Replicates:
    """One evaluation of one seed: its AP in percent and B bootstrap replicates of it.

    Attributes:
        annotations: sha256 of the annotation file.
        estimate: metric -> AP; None where the annotations have no such category.
        drawn: metric -> (B,) replicates, NaN where a sample has no such category.
    """

    annotations: str
    estimate: dict[str, float | None]
    drawn: dict[str, np.ndarray]


def save(path: Path, metrics: dict, drawn: dict[str, np.ndarray], annotations: str) -> None:
    """Write an evaluation's replicates atomically; the same input gives the same bytes.

    Args:
        path: The file.
        metrics: Content of the evaluation's metrics.json.
        drawn: Kind ("segm", "bbox") -> replicates (B, 4) of AP, AP_r, AP_c, AP_f (fractions).
        annotations: sha256 of the annotation file.
    """
    lines: dict[str, Any] = {"annotations": annotations, "unit": UNIT, "estimate": {}}
    for name, (kind, key) in METRICS.items():
        values = drawn[kind][:, MASK.index(key)]
        lines[name] = [None if np.isnan(v) else round(v / UNIT) for v in values.tolist()]
        value = metrics[kind][key]
        lines["estimate"][name] = None if value is None else round(value / UNIT)
    text = ",\n".join(
        f'"{key}": {json.dumps(value, separators=(",", ":"))}' for key, value in lines.items()
    )
    write_atomic(path, f"{{\n{text}\n}}\n")


def load(path: Path, metrics: dict) -> Replicates:
    """Read a file of `save`; the estimates are taken at full precision from the metrics.

    Raises:
        UserError: The file is missing or damaged, or does not belong to these metrics.
    """
    again = remake(path)
    try:
        plain: dict = read_json(path, outputs.Replicates, again)
        unit = 100 * float(plain["unit"])
        drawn = {name: unit * np.array(plain[name], np.float64) for name in METRICS}
        found = {name: metrics[kind][key] for name, (kind, key) in METRICS.items()}
        estimate = {name: None if v is None else 100 * v for name, v in found.items()}
        same = all(_near(estimate[name], plain["estimate"][name], unit) for name in METRICS)
        if len({values.shape for values in drawn.values()}) > 1:
            raise ValueError("its lists differ in length")
        annotations = str(plain["annotations"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); {again}.") from None
    if not same:
        raise UserError(f"{path} is of other metrics than metrics.json; {again}.")
    return Replicates(annotations, estimate, drawn)


def _near(value: float | None, units: int | None, unit: float) -> bool:
    if value is None or units is None:
        return value is units
    return abs(value / unit - units) < 1
