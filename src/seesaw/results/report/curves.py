"""Training curves as small inline SVGs, coloured by the page's style sheet."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import numpy as np

BINS = 60  # points of a line, each a mean
FLOOR = 0.01  # smaller losses are drawn at this value
WIDTH, HEIGHT, LEFT, RATE = 246, 118, 32, 22  # RATE: height of the strip of the learning rate
# In drawing order: key of the style -> name in the legend.
KINDS = {
    "other": "other",
    "rpn": "proposals (RPN)",
    "mask": "masks",
    "bbox": "boxes",
    "cls": "classes",
    "total": "total",
}


@dataclass(frozen=True)
class Curve:
    """The panel of one training, in the units of the SVG."""

    name: str  # name of the run
    iterations: int  # number of the last iteration
    lines: dict[str, str]  # kind -> points of the polyline
    rate: str  # points of the learning rate
    peak: float  # the largest learning rate


def kind(term: str) -> str | None:
    """Return the kind of a logged loss term; None if it is not a loss (accuracy, time, ...)."""
    if term == "loss":
        return "total"
    name = term.rpartition(".")[2]
    if "loss" not in name:
        return None
    return next((k for k in ("rpn", "mask", "bbox", "cls") if k in name), "other")


def binned(
    steps: list[dict], most: int = BINS
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Return a run log's means over bins: iterations, kind -> summed losses, learning rate.

    Each has the shape (B,), at most ``most``. Values that are not finite are ignored; a bin without
    any finite value is NaN.
    """
    terms = {term: name for step in steps for term in step if (name := kind(term))}
    columns = ["iter", "lr", *terms]
    values = np.array([[_number(step.get(c)) for c in columns] for step in steps])
    parts = np.array_split(values, min(most, len(values)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the bins that are NaN
        means = np.array([np.nanmean(part, 0) for part in parts])
    sums: dict[str, np.ndarray] = {}
    for i, name in enumerate(terms.values(), start=2):
        sums[name] = sums.get(name, 0) + means[:, i]
    return means[:, 0], {k: sums[k] for k in KINDS if k in sums}, means[:, 1]


def panels(runs: list[tuple[str, list[dict]]]) -> tuple[list[Curve], list[tuple[str, float]]]:
    """Return panels on one logarithmic axis, and its ticks as text and height.

    ``runs`` are names and run logs; trainings without logged steps are left out.
    """
    logs = [(name, steps[-1]["iter"], *binned(steps)) for name, steps in runs if steps]
    every = [v for _, _, _, sums, _ in logs for values in sums.values() for v in values]
    top = ceil(log10(max((v for v in every if isfinite(v)), default=1.0) or 1.0))
    top, bottom = max(top, 0), floor(log10(FLOOR))

    def height(value: float) -> float:
        share = (log10(max(value, FLOOR)) - bottom) / (top - bottom)
        return round(4 + (HEIGHT - RATE - 12) * (1 - share), 1)

    curves = []
    for name, last, iterations, sums, rate in logs:
        x = LEFT + (WIDTH - LEFT - 4) * iterations / last
        peak = float(np.nanmax(rate)) if np.isfinite(rate).any() else 0.0
        strip = HEIGHT - 2 - (RATE - 4) * rate / (peak or 1.0)
        lines = {k: _points(x, [height(v) for v in values]) for k, values in sums.items()}
        curves.append(Curve(name, last, lines, _points(x, strip), peak))
    return curves, [(f"{10.0**d:g}", height(10.0**d)) for d in range(bottom, top + 1)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _points(x: np.ndarray, y: Iterable[float]) -> str:
    return " ".join(
        f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if isfinite(a) and isfinite(b)
    )
