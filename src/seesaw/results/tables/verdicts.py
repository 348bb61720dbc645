"""Verdicts on differences from the paper: reproduced, within noise or not reproduced.

docs/verdicts.md explains the rules to readers of the tables; this module defines them. All
numbers are AP in percent.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot, sqrt
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from seesaw.evaluation.uncertainty import Estimate

Verdict = Literal["reproduced", "within noise", "not reproduced"]
MARKS = {"reproduced": "✓", "within noise": "≈", "not reproduced": "✗"}

# Standard deviation between runs, used where too few runs were repeated to estimate it. Paper
# scale: as detection papers report it. Mini scale: measured on 30 trainings over the claims' three
# or five seeds, pooled (80 degrees of freedom).
ASSUMED = {"paper": {"AP_r": 1.0, "": 0.3}, "single_gpu": {"AP_r": 1.0, "": 0.3}}
ASSUMED["mini"] = {"AP_r": 1.3, "AP_c": 1.0, "AP_f": 0.8, "AP_box": 0.7, "": 0.8}
# What a table says of a spread that its own runs are too few to measure, if not "assumed"
SOURCES = {"mini": "from docs/claims.md"}
MEASURED_FROM = 4  # degrees of freedom; with fewer, an SD can be wrong by more than a third
FACTOR = 2.0  # number of standard deviations that still counts as noise

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=STRICT)
class Spread:
    """The run-to-run standard deviation that a table's verdicts use."""

    value: float
    assumed: bool


def pooled_spread(repeated: Iterable[tuple[int, float]], metric: str, scale: str) -> Spread | None:
    """Return a metric's run-to-run spread, pooled over rows, or assumed where runs are too few.

    ``repeated`` has the number of runs and their standard deviation of each row with several runs.
    At smoke scale nothing is judged and the result is None.
    """
    if scale not in ASSUMED:
        return None
    several = [(runs - 1, spread**2) for runs, spread in repeated]
    dof = sum(free for free, _ in several)
    measured = sqrt(sum(free * variance for free, variance in several) / dof) if dof else 0.0
    prior = ASSUMED[scale].get(metric, ASSUMED[scale][""])
    if dof >= MEASURED_FROM or measured > prior:
        return Spread(round(measured, 6), assumed=False)
    return Spread(prior, assumed=True)


def judge(
    ours: float,
    paper: float,
    error: Estimate,
    spread: Spread,
    trainings: int = 1,
    sign_only: bool = False,
) -> tuple[Verdict, float | None, float]:
    """Compare a value or an increment with the paper's.

    It contains the spread of so many ``trainings``: 1 for a value of a row, see `Row.trainings` for
    an increment. With ``sign_only`` its sign alone is judged, because the scale changes the size.

    Returns:
        The verdict; its margin, the largest difference from the paper that counts as noise (None
        if only the sign is judged); and its bound: a value of at most this magnitude is not
        significantly different from zero.
    """
    single = FACTOR * hypot(error.images, sqrt(trainings) * spread.value)
    bound = single if error.seeds == 1 else error.half_width
    same_side = (ours > 0) - (ours < 0) == (paper > 0) - (paper < 0)
    significant = abs(ours) > bound
    if significant and not same_side if sign_only else abs(ours - paper) > single:
        verdict: Verdict = "not reproduced"
    else:
        verdict = "reproduced" if significant and same_side else "within noise"
    return verdict, None if sign_only else round(single, 6), round(bound, 6)
