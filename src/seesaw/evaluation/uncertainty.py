"""Standard errors from resampled images and from trainings repeated with other seeds.

The variance of a mean over n seeds is A + S / n. S, the variance between single runs on the same
images, is estimated from the runs. A is the variance that all runs share because they are scored on
the same images: the covariance of bootstrap replicates between seeds. Adding the two squared SEs
instead would count twice how single runs vary with the images.

Percentile intervals of the replicates are invalid for LVIS AP (`seesaw.evaluation.resample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from seesaw.errors import UserError
from seesaw.evaluation.replicates import Replicates
from seesaw.spec.metrics import METRICS


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, its standard error and 95 % interval, all in the unit of the values."""

    value: float  # mean over the seeds
    se: float  # standard error of ``value``; with one seed it includes only the images' part
    images: float  # standard error of ``value`` from resampling images, with the runs held fixed
    half_width: float  # half the 95 % interval, by Student's t (Welch-Satterthwaite)
    seeds: int = 1  # n
    spread: float | None = None  # standard deviation between single runs; None if there is only one

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        return self.value - self.half_width, self.value + self.half_width

    def with_spread(self, spread: float, dof: int) -> Estimate:
        """Return the estimate of several seeds with a pooled standard deviation between runs.

        Args:
            spread: standard deviation between single runs, in place of the seeds' own.
            dof: its degrees of freedom; those of the images are so many that they do not count.
        """
        assert self.spread is not None  # one seed has none that could be replaced
        seeds = spread**2 / self.seeds
        variance = max(self.se**2 - self.spread**2 / self.seeds, 0.0) + seeds
        se = float(np.sqrt(variance))
        half = _half_width(se, dof * (variance / seeds) ** 2) if seeds else self.half_width
        return Estimate(self.value, se, self.images, half, self.seeds, spread)


def combine(values: ArrayLike, drawn: ArrayLike) -> Estimate | None:
    """Return the mean over seeds with its uncertainty from images and seeds.

    Args:
        values: (n,) the value of each seed's run.
        drawn: (n, B) bootstrap replicates of each value, with the same images for all seeds;
            columns with a NaN are left out.

    Returns:
        The estimate, or None if a value is NaN or fewer than two replicates are left.
    """
    values = np.asarray(values, np.float64)
    drawn = np.atleast_2d(drawn)
    drawn = drawn[:, ~np.isnan(drawn).any(0)]
    n, count = drawn.shape
    if count < 2 or np.isnan(values).any():
        return None
    covariance = np.atleast_2d(np.cov(drawn))
    images = float(np.sqrt(max(covariance.mean(), 0.0)))
    if n == 1:
        return Estimate(float(values[0]), images, images, _half_width(images, count - 1))
    shared = max(float(covariance[~np.eye(n, dtype=bool)].mean()), 0.0)
    spread = float(values.std(ddof=1))
    parts = ((shared, count - 1), (spread**2 / n, n - 1))
    variance = sum(part for part, _ in parts)
    error = sum(part**2 / dof for part, dof in parts)
    se, dof = float(np.sqrt(variance)), variance**2 / error if error else count - 1
    return Estimate(float(values.mean()), se, images, _half_width(se, dof), n, spread)


def level(runs: Sequence[Replicates]) -> dict[str, Estimate | None]:
    """Metric -> mean over the seeds of one evaluation, in percent; None where undefined."""
    return {
        # None becomes NaN here, and `combine` turns it into None again.
        name: combine(np.array([run.estimate[name] for run in runs], np.float64), drawn)
        for name, drawn in ((n, [run.drawn[n] for run in runs]) for n in METRICS)
    }


def paired_difference(
    a: Sequence[Replicates], b: Sequence[Replicates]
) -> dict[str, Estimate | None]:
    """Metric -> ``b - a`` in percent, paired over images, and over seeds by position.

    ``a`` and ``b`` have one run per seed, of the same seeds in the same order.

    Raises:
        UserError: the runs were not evaluated on the same annotations.
    """
    if len({run.annotations for run in [*a, *b]}) > 1:
        raise UserError("two runs were evaluated on different annotations; evaluate both again.")
    return level([_minus(y, x) for x, y in zip(a, b, strict=True)])


def _half_width(se: float, dof: float) -> float:
    return float(stdtrit(dof, 0.975)) * se


def _minus(a: Replicates, b: Replicates) -> Replicates:
    pairs = {name: (a.estimate[name], b.estimate[name]) for name in METRICS}
    return Replicates(
        a.annotations,
        {n: None if x is None or y is None else x - y for n, (x, y) in pairs.items()},
        {name: a.drawn[name] - b.drawn[name] for name in METRICS},
    )
