"""Standard errors of LVIS AP by resampling images, from matches that are made once.

A replicate draws as many images as there are, with replacement (multinomial bootstrap), and
recomputes AP from the cached matches. Its mean is biased upwards for LVIS AP (a rare category
without a drawn image drops out of the average), so percentile intervals are invalid; estimate
± 1.96 SE is what the functions here report.
"""

import numpy as np

from seesaw.evaluation.ground_truth import GROUPS
from seesaw.evaluation.lvis_eval import Matches, accumulate, mean

NAMES = ("AP", *(f"AP_{group}" for group in GROUPS))


def scores(matches: Matches, weights: np.ndarray | None = None) -> np.ndarray:
    """AP, AP_r, AP_c, AP_f with images weighted (I,); NaN where undefined."""
    ap = accumulate(matches, weights, areas=(0,))[0][:, :, 0]
    parts = [ap] + [ap[:, matches.groups == group] for group in range(len(GROUPS))]
    return np.array([np.nan if (value := mean(part)) is None else value for part in parts])


def replicates(matches: Matches, count: int = 1000, seed: int = 0) -> np.ndarray:
    """Bootstrap replicates (count, 4) of `scores`.

    The same seed draws the same images for every model and kind: replicates of two models on one
    data set are paired.
    """
    rng = np.random.default_rng(seed)
    even = np.full(matches.images, 1 / matches.images)
    return np.array([scores(matches, rng.multinomial(matches.images, even)) for _ in range(count)])


def standard_errors(matches: Matches, count: int = 1000, seed: int = 0) -> dict[str, dict]:
    """Estimate, SE and 95 % interval of AP, AP_r, AP_c and AP_f (fractions)."""
    return _report(scores(matches), replicates(matches, count, seed))


def paired_difference(a: Matches, b: Matches, count: int = 1000, seed: int = 0) -> dict[str, dict]:
    """Estimate, SE and 95 % interval of ``b - a``, two models on the same images.

    Raises:
        ValueError: The matches are not of the same images and annotations.
    """
    if a.images != b.images or not np.array_equal(a.truth_category, b.truth_category):
        raise ValueError("paired differences need matches with the same annotations")
    change = replicates(b, count, seed) - replicates(a, count, seed)
    return _report(scores(b) - scores(a), change)


def _report(estimate: np.ndarray, drawn: np.ndarray) -> dict[str, dict]:
    report = {}
    for i, name in enumerate(NAMES):
        values = drawn[~np.isnan(drawn[:, i]), i]
        if np.isnan(estimate[i]) or len(values) < 2:
            report[name] = None
            continue
        se, middle = float(values.std(ddof=1)), float(estimate[i])
        report[name] = {"estimate": middle, "se": se} | {
            "low": middle - 1.96 * se,
            "high": middle + 1.96 * se,
        }
    return report
