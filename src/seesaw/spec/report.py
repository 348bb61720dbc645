"""Where the report lies and which pair its examples show; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from seesaw.spec.experiments import Experiments
from seesaw.spec.scales import Scale

# The cross-entropy rung and the Seesaw rung of the examples: the first pair that a scale has.
PAIRS = (
    ("a09_stronger_backbone", "a10_seesaw"),
    ("mask_rcnn_random_ce", "mask_rcnn_random_seesaw"),
)


def output(scale: Scale, partial: bool = False) -> Path:
    """The page; a partial one stands beside it, where the workflow does not take it for whole."""
    return scale.results / "report" / ("partial.html" if partial else "report.html")


def pair(table: Experiments) -> tuple[str, str] | None:
    """The evaluations of the examples; None where the scale has none of the pairs."""
    return next((p for p in PAIRS if table.evaluations.keys() >= set(p)), None)
