"""Errors from images and seeds: closed forms, and coverage by simulation."""

import numpy as np
import pytest
from scipy.stats import t as student
from simulated import SHARE, simulate

from seesaw.errors import UserError
from seesaw.evaluation.replicates import Replicates
from seesaw.evaluation.resample import Ranking, replicates, scores
from seesaw.evaluation.uncertainty import Estimate, combine, level, paired_difference
from seesaw.spec.metrics import METRICS


def run(ap, drawn, annotations="a"):
    """Replicates of a run: AP_r is undefined, the other metrics equal AP."""
    drawn = np.asarray(drawn, float)
    estimate = dict.fromkeys(METRICS, ap) | {"AP_r": None}
    draws = dict.fromkeys(METRICS, drawn) | {"AP_r": np.full(len(drawn), np.nan)}
    return Replicates(annotations, estimate, draws)


def test_one_run_has_the_images_error_alone():
    found = combine([0.3], np.array([[0.1, 0.2, 0.3, np.nan, 0.4]]))
    assert found == Estimate(0.3, found.se, found.se, found.half_width)
    assert found.se == pytest.approx(np.std([0.1, 0.2, 0.3, 0.4], ddof=1))
    assert found.half_width == pytest.approx(student.ppf(0.975, 3) * found.se)


def test_several_seeds_share_the_images_and_have_a_spread_of_their_own():
    # Variances 4 and 4, covariance 2; values 1 and 3: S = 2.
    drawn = np.array([[2, -2, 0, 0], [1, -1, 3**0.5, -(3**0.5)]]) * np.sqrt(1.5)
    assert np.cov(drawn) == pytest.approx(np.array([[4, 2], [2, 4]]))
    found = combine([1.0, 3.0], drawn)
    assert (found.value, found.seeds) == (2.0, 2)
    assert found.images == pytest.approx(3**0.5)  # (4 + 4 + 2 * 2) / 4
    assert found.spread == pytest.approx(2**0.5)
    assert found.se == pytest.approx(3**0.5)  # shared 2, and S / n = 1
    dof = 3**2 / (2**2 / 3 + 1**2 / 1)
    assert found.half_width == pytest.approx(student.ppf(0.975, dof) * found.se)


def test_runs_that_vary_apart_share_nothing():
    found = combine([0.0, 0.0], np.array([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]]))
    assert (found.se, found.half_width) == (0.0, 0.0)


def test_a_difference_is_paired_over_images_and_seeds():
    a = [run(0.1, [0.0, 0.2, 0.1]), run(0.2, [0.1, 0.3, 0.2])]
    b = [run(0.15, [0.05, 0.25, 0.15]), run(0.25, [0.15, 0.35, 0.25])]
    found = paired_difference(a, b)["AP"]
    assert found.value == pytest.approx(0.05)
    assert found.se == pytest.approx(0.0, abs=1e-12)  # each replicate and seed differs alike
    assert level(a)["AP"].se > 0.1
    assert paired_difference(a, b)["AP_r"] is None
    with pytest.raises(UserError, match="different annotations"):
        paired_difference(a, [run(0.1, [1, 2, 3], "other")] * 2)


@pytest.mark.parametrize(
    ("seeds", "shared", "own", "seed"), [(2, 1, 0.5, 0.5), (3, 0.3, 1, 1), (5, 0, 1, 1)]
)
def test_intervals_over_images_and_seeds_hold_the_truth_as_often_as_they_say(
    seeds, shared, own, seed
):
    """A value that is a mean over images, with deviations of images, of runs on them, of seeds."""
    images, count, covered, covered_by_images = 100, 200, [], []
    for round_ in range(300):
        rng = np.random.default_rng(round_)
        of_image = rng.normal(0, shared * images**0.5, images)
        of_run = rng.normal(0, own * images**0.5, (seeds, images))
        values = of_image + of_run + rng.normal(0, seed, (seeds, 1))
        weights = rng.multinomial(images, np.full(images, 1 / images), size=count) / images
        found = combine(values.mean(1), values @ weights.T)
        covered.append(abs(found.value) <= found.half_width)
        covered_by_images.append(abs(found.value) <= 1.96 * found.images)
    # 300 rounds know a coverage of 95 % to +- 2.5 %
    assert 0.92 <= np.mean(covered) <= 0.98
    if seed == 1:
        assert np.mean(covered_by_images) < 0.90  # images alone know nothing of other seeds


def model(rng, images, found, draw, seeds, share=SHARE, spread=0.03):
    """Rankings of one model's seeds, which find objects more or less often."""
    several = [
        simulate(rng, images, np.clip(found + rng.normal(0, spread), 0, 1), draw, share)
        for _ in range(seeds)
    ]
    return [Ranking.of(matches) for matches, _ in several]


def runs(rankings, seed, count=200):
    """Replicates of the rankings; boxes are taken for masks."""
    made = []
    for ranking in rankings:
        once, drawn = scores(ranking).tolist(), replicates(ranking, count, seed)
        names = [*METRICS][:4]
        estimate = dict(zip(names, once, strict=True)) | {"AP_box": once[0]}
        columns = dict(zip(names, drawn.T, strict=True)) | {"AP_box": drawn[:, 0]}
        made.append(Replicates("a", estimate, columns))
    return made


@pytest.mark.slow
def test_differences_of_lvis_ap_over_images_and_seeds_cover():
    """Differences of two models over three seeds, and levels: expected values over 200 rounds."""
    names = ["AP", "AP_r", "AP_c", "AP_f"]
    values, intervals = [], []
    for round_ in range(200):
        rng = np.random.default_rng(round_)
        _, draw = simulate(rng, 400, share=SHARE)
        weak, strong = (runs(model(rng, 400, f, draw, seeds=3), round_) for f in (0.5, 0.7))
        both = paired_difference(weak, strong), level(weak)
        values.append([[found[n].value for n in names] for found in both])
        intervals.append([[found[n].interval for n in names] for found in both])
    truth = np.mean(values, axis=0)
    low, high = np.moveaxis(intervals, -1, 0)
    covered = ((low <= truth) & (truth <= high)).mean(0)
    print(f"coverage, AP, AP_r, AP_c, AP_f; differences, levels:\n{covered}")
    # 200 rounds know a coverage of 95 % to +- 3 % (two binomial standard deviations).
    assert (covered >= 0.90).all() and (covered <= 0.99).all()


LONG_TAIL = np.tile([0.02, 0.06, 0.3], 100)  # of 400 images: 8, 24 and 120 objects a category


def percentiles(run):
    """The naive interval: percentiles of the replicates of AP."""
    return np.nanpercentile(run.drawn["AP"], [2.5, 97.5])


def test_replicates_of_a_long_tail_lie_above_the_value_itself():
    (one,) = runs(model(np.random.default_rng(0), 400, 0.6, None, 1, LONG_TAIL, 0), 0, count=100)
    bias = one.drawn["AP"].mean() - one.estimate["AP"]
    assert bias > level([one])["AP"].se


@pytest.mark.slow
def test_percentile_intervals_of_a_long_tail_miss_and_ours_cover():
    """AP of one run, against its expected value over 100 data sets of that size."""
    values, ours, naive = [], [], []
    for round_ in range(100):
        ranking = model(np.random.default_rng(round_), 400, 0.6, None, 1, LONG_TAIL, 0)
        (one,) = runs(ranking, round_, count=100)
        values.append(one.estimate["AP"])
        ours.append(level([one])["AP"].interval)
        naive.append(percentiles(one))
    truth = np.mean(values)
    covered = [np.mean([a <= truth <= b for a, b in found]) for found in (ours, naive)]
    print(f"coverage of estimate +- t SE, and of percentiles: {covered}")
    assert 0.89 <= covered[0] <= 1.0
    assert covered[1] < 0.85
