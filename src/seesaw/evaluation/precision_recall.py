"""Precision against recall by frequency group, from the cached matches of an evaluation."""

from __future__ import annotations

import numpy as np

from seesaw.evaluation.ground_truth import GROUPS
from seesaw.evaluation.matcher import EPSILON, RECALL_THRESHOLDS
from seesaw.evaluation.resample import NAMES, Ranking


def curves(ranking: Ranking, level: int = 0) -> dict[str, np.ndarray]:
    """Return AP, AP_r, ... -> the precisions (101,) whose mean is that AP at one IoU threshold.

    They are lvis-api's: at each recall threshold the largest precision at this recall or above, 0
    where it is not reached; the mean over the categories that have objects. A group without such a
    category is left out. ``level`` is the index of the IoU threshold: 0 for 0.5, 5 for 0.75.
    """
    truths = np.bincount(ranking.truth_category, minlength=len(ranking.groups))
    found = np.zeros((len(truths), len(RECALL_THRESHOLDS)))
    for c in np.flatnonzero(truths):
        rows = slice(ranking.offsets[c], ranking.offsets[c + 1])
        hit = (ranking.hit[rows] >> level & 1).astype(bool)
        ignored = (ranking.ignored[rows] >> level & 1).astype(bool)
        hits = np.cumsum(hit)
        precision = hits / (hits + np.cumsum(~hit & ~ignored) + EPSILON)
        largest = np.maximum.accumulate(precision[::-1])[::-1]
        reached = np.searchsorted(hits / truths[c], RECALL_THRESHOLDS)
        found[c] = np.append(largest, 0)[reached]
    members = [np.ones(len(truths), bool), *(ranking.groups == g for g in range(len(GROUPS)))]
    kept = {n: m & (truths > 0) for n, m in zip(NAMES, members, strict=True)}
    return {name: found[rows].mean(0) for name, rows in kept.items() if rows.any()}
