"""Curves of precision against recall: a hand-made one, and the AP that is their mean."""

import numpy as np
import pytest
from simulated import simulate

from seesaw.evaluation.lvis_eval import accumulate, summarize
from seesaw.evaluation.precision_recall import curves
from seesaw.evaluation.resample import Ranking


def ranking(hit, ignored=(), objects=2):
    """One rare category with ``objects`` objects, and detections in descending order of scores."""
    hit = np.array(hit, np.uint16)
    return Ranking(
        offsets=np.array([0, len(hit), len(hit), len(hit)]),
        image=np.zeros(len(hit), np.int32),
        hit=hit,
        ignored=np.isin(np.arange(len(hit)), ignored).astype(np.uint16),
        truth_image=np.zeros(objects, np.int32),
        truth_category=np.zeros(objects, np.int32),
        groups=np.arange(3),
        images=1,
    )


def test_a_curve_by_hand():
    # hit, wrong, ignored, hit: precision 1 up to recall 1/2, then 2/3
    found = curves(ranking([1, 0, 0, 1], ignored=[2]))
    assert found.keys() == {"AP", "AP_r"}  # the other groups have no objects
    np.testing.assert_allclose(found["AP_r"][:51], 1)
    np.testing.assert_allclose(found["AP_r"][51:], 2 / 3)


def test_it_is_zero_where_no_detection_reaches_the_recall():
    found = curves(ranking([1], objects=4))["AP_r"]
    assert found[:26] == pytest.approx(1) and not found[26:].any()


@pytest.mark.parametrize(("level", "metric"), [(0, "AP50"), (5, "AP75")])
def test_the_mean_of_a_curve_is_the_ap_of_the_evaluation(level, metric):
    rng = np.random.default_rng(level)
    matches, _ = simulate(rng, 60)
    matches.hit &= rng.integers(0, 2**10, (len(matches.hit), 1)).astype(np.uint16)
    matches.ignored |= ~matches.hit & rng.integers(0, 2**10, matches.hit.shape).astype(np.uint16)
    ap, recall = accumulate(matches)
    found = curves(Ranking.of(matches), level)
    assert found["AP"].mean() == pytest.approx(summarize(ap, recall, matches.groups)[metric])
    for g, group in enumerate("rcf"):
        expected = np.nanmean(ap[level, matches.groups == g, 0])
        assert found[f"AP_{group}"].mean() == pytest.approx(expected)
