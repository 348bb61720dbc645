"""What a difference to the paper means: reproduced, within noise or not reproduced.

docs/verdicts.md explains the rules to a reader of a table; this module is their definition. All
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

# Standard deviation of single runs where too few were repeated to know it. Paper scale: what
# detection papers report. Mini scale: what ten rungs over the claims' five seeds showed, pooled.
ASSUMED = {"paper": {"AP_r": 1.0, "": 0.3}, "single_gpu": {"AP_r": 1.0, "": 0.3}}
ASSUMED["mini"] = {"AP_r": 1.2, "AP_box": 1.1, "": 1.6}
MEASURED_FROM = 4  # degrees of freedom; an SD from fewer is off by more than a third
FACTOR = 2.0  # standard deviations that still count as noise

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class Error:
    """What is known about a value's error.

    Attributes:
        se: standard error of the value, from images and, with several seeds, from them too.
        images: its part from resampling images.
        half_width: half its 95 % interval, by Student's t.
        seeds: number of runs that the value is the mean of.
        spread: standard deviation between single runs; None for one run.
    """

    se: float
    images: float
    half_width: float
    seeds: int = 1
    spread: float | None = None


@dataclass(frozen=True, config=_STRICT)
class Step:
    """A row's increment to the row above.

    Attributes:
        value: mean over the seeds that both rows have.
        error: its error, paired over images and seeds.
        trainings: how many trainings lie between the rows' weights: 2 for two models, 1 if one
            was trained on from the other, 0 for the same weights.
    """

    value: float
    error: Error
    trainings: int = 2


@dataclass(frozen=True, config=_STRICT)
class Spread:
    """Run-to-run standard deviation that a table's verdicts use."""

    value: float
    assumed: bool


@dataclass(frozen=True, config=_STRICT)
class Judged:
    """A verdict and the two bounds that it rests on.

    Attributes:
        verdict: the word.
        margin: a difference to the paper up to here counts as noise; None where only the sign
            is judged.
        bound: a value up to here, whatever its sign, is not told from zero.
    """

    verdict: Verdict
    margin: float | None
    bound: float


def pooled_spread(errors: Iterable[Error], metric: str, scale: str) -> Spread | None:
    """The run-to-run spread of a metric, pooled over rows; assumed where too few runs tell.

    Args:
        errors: of the metric in every row.
        metric: AP, AP_r, ...
        scale: nothing is known or judged at smoke scale (None).
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
    """Compare a level or an increment with the paper's.

    Args:
        ours: the value.
        paper: the paper's.
        error: of ours.
        spread: of single runs.
        trainings: how many trainings' spread the value holds: 1 for a level, see `Step`.
        sign_only: judge the sign alone, since sizes are of another scale.
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
