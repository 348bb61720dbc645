"""The path of the report and the pair that its examples compare; the imports are light."""

from __future__ import annotations

from pathlib import Path

from seesaw.spec.experiments import Experiments
from seesaw.spec.scales import Scale

# Candidate pairs (cross-entropy, Seesaw) for the examples; the first pair that a scale has is used.
PAIRS = (
    ("a09_stronger_backbone", "a10_seesaw"),
    ("mask_rcnn_random_ce", "mask_rcnn_random_seesaw"),
)


def output(scale: Scale, partial: bool = False) -> Path:
    """Return the path of the page; a partial page has its own path, which is no workflow output."""
    return scale.results / "report" / ("partial.html" if partial else "report.html")


def pair(table: Experiments) -> tuple[str, str] | None:
    """Return the two evaluations of the examples, or None if the scale has none of the pairs."""
    return next((p for p in PAIRS if table.evaluations.keys() >= set(p)), None)
