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

Verdict = Literal["reproduced", "within noise", "not reproduced"]
MARKS = {"reproduced": "✓", "within noise": "≈", "not reproduced": "✗"}

# Standard deviation between runs, used where too few runs were repeated to estimate it. Paper
# scale: as detection papers report it. Mini scale: measured on ten rungs over the claims' five
# seeds, pooled.
ASSUMED = {"paper": {"AP_r": 1.0, "": 0.3}, "single_gpu": {"AP_r": 1.0, "": 0.3}}
ASSUMED["mini"] = {"AP_r": 1.2, "AP_box": 1.1, "": 1.6}
MEASURED_FROM = 4  # degrees of freedom; with fewer, an SD can be wrong by more than a third
FACTOR = 2.0  # number of standard deviations that still counts as noise

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class Error:
    """The uncertainty of a value.

    Attributes:
        se: standard error of the value, from images and, with several seeds, also from seeds.
        images: the part of it that comes from resampling images.
        half_width: half the width of the 95 % interval, by Student's t.
        seeds: number of runs over which the value is the mean.
        spread: standard deviation between runs; None for one run.
    """

    se: float
    images: float
    half_width: float
    seeds: int = 1
    spread: float | None = None


@dataclass(frozen=True, config=_STRICT)
class Step:
    """A row's increment over the row above.

    Attributes:
        value: mean over the seeds that both rows have.
        error: error of the increment, paired over images and seeds.
        trainings: number of trainings that separate the rows' weights: 2 for two models, 1 if one
            model was trained starting from the other, 0 for the same weights.
    """

    value: float
    error: Error
    trainings: int = 2


@dataclass(frozen=True, config=_STRICT)
class Spread:
    """The run-to-run standard deviation that a table's verdicts use."""

    value: float
    assumed: bool


@dataclass(frozen=True, config=_STRICT)
class Judged:
    """A verdict and the two bounds on which it rests.

    Attributes:
        verdict: the verdict.
        margin: largest difference from the paper that counts as noise; None where only the sign
            is judged.
        bound: a value of at most this magnitude is not significantly different from zero.
    """

    verdict: Verdict
    margin: float | None
    bound: float


def pooled_spread(errors: Iterable[Error], metric: str, scale: str) -> Spread | None:
    """Return a metric's run-to-run spread, pooled over rows, or assumed where runs are too few.

    Args:
        errors: errors of the metric in all rows.
        metric: AP, AP_r, ...
        scale: name of the scale; at smoke scale nothing is judged and the result is None.
    """
    if scale not in ASSUMED:
        return None
    several = [(e.seeds - 1, e.spread) for e in errors if e.spread is not None]
    dof = sum(free for free, _ in several)
    measured = sqrt(sum(free * spread**2 for free, spread in several) / dof) if dof else 0.0
    prior = ASSUMED[scale].get(metric, ASSUMED[scale][""])
    if dof >= MEASURED_FROM or measured > prior:
        return Spread(round(measured, 6), assumed=False)
    return Spread(prior, assumed=True)


def judge(
    ours: float,
    paper: float,
    error: Error,
    spread: Spread,
    trainings: int = 1,
    sign_only: bool = False,
) -> Judged:
    """Compare a value or an increment with the paper's.

    Args:
        ours: our value or increment.
        paper: the paper's.
        error: error of ours.
        spread: run-to-run spread.
        trainings: number of trainings whose spread the value contains: 1 for a value of a row, see
            `Step` for an increment.
        sign_only: judge the sign alone, because the scale changes the size.
    """
    single = FACTOR * hypot(error.images, sqrt(trainings) * spread.value)
    bound = single if error.seeds == 1 else error.half_width
    same_side = (ours > 0) - (ours < 0) == (paper > 0) - (paper < 0)
    told_from_zero = abs(ours) > bound
    if told_from_zero and not same_side if sign_only else abs(ours - paper) > single:
        verdict: Verdict = "not reproduced"
    else:
        verdict = "reproduced" if told_from_zero and same_side else "within noise"
    return Judged(verdict, None if sign_only else round(single, 6), round(bound, 6))
