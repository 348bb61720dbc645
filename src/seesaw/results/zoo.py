"""Comparison of our evaluation of mmdet's released models with the published results."""

from __future__ import annotations

from dataclasses import dataclass

from seesaw.core.integrity import read_output
from seesaw.results.figures.results import table
from seesaw.spec.metrics import METRICS, OVERALL
from seesaw.spec.outputs import Metrics
from seesaw.spec.scales import Scale
from seesaw.spec.zoo import Released, Zoo

COLUMNS = {name: METRICS[name] for name in OVERALL}  # what mmdet publishes


@dataclass(frozen=True)
class Checked:
    """The verdict on one model: AP in percent by column, and whether all are within the tolerance.

    ``verdict`` is "not run", "right", "off", or, at scales with generated data, "not comparable".
    """

    id: str
    label: str
    expected: dict[str, float]
    measured: dict[str, float]
    verdict: str


def check(released: Released, scale: Scale, tolerance: float) -> Checked:
    """Return the verdict on one released model.

    Raises:
        UserError: its metrics are damaged.
    """
    expected = {column: getattr(released, column) for column in COLUMNS}
    path, measured = scale.metrics(released.evaluation, 0), {}
    metrics = read_output(path, Metrics) if path.is_file() else None
    if metrics is None:
        verdict = "not run"
    else:
        measured = {c: 100 * (metrics[kind][key] or 0.0) for c, (kind, key) in COLUMNS.items()}
        # Published values have one decimal.
        off = any(abs(round(measured[c], 1) - expected[c]) > tolerance + 1e-9 for c in COLUMNS)
        verdict = "off" if off else "right"
        if scale.full_name != "paper":
            verdict = "not comparable"
    return Checked(released.id, released.label, expected, measured, verdict)


def markdown(verdicts: list[Checked], zoo: Zoo) -> str:
    """Return a Markdown table of the verdicts below a line that says what they are."""
    rows = []
    for v in verdicts:
        measured = [f"{v.measured[c]:.1f}" if c in v.measured else "–" for c in COLUMNS]
        cells = [f"{m} / {v.expected[c]:.1f}" for m, c in zip(measured, COLUMNS, strict=True)]
        rows.append([v.label, *cells, v.verdict])
    said = f"mmdet's released Seesaw models on LVIS v1 val: measured / published, ± {zoo.tolerance}"
    if any(v.verdict == "not comparable" for v in verdicts):
        said += " (measured at another scale than the paper's, or on other data)"
    return f"{said}\n\n{table(['model', *COLUMNS, 'verdict'], rows)}\n"
