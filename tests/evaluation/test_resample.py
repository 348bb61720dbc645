"""Bootstrap standard errors: exact cases, and coverage by simulation."""

from dataclasses import replace

import numpy as np
import pytest

from seesaw.evaluation.lvis_eval import Matches, accumulate, summarize
from seesaw.evaluation.resample import paired_difference, replicates, scores, standard_errors

CATEGORIES = 9
ALL = np.uint16(2**10 - 1)


def simulate(rng, images: int, found: float = 0.6, shared=None) -> Matches:
    """Matches of a made-up model: each category is in a fifth of the images, one object each.

    An object is found with probability ``found`` at every IoU threshold; one false positive in
    every second image. ``shared`` gives the annotations and scores of another model.
    """
    draw = shared or {
        "present": rng.random((images, CATEGORIES)) < 0.2,
        "score": rng.random((images, CATEGORIES)),
        "noise": rng.random((images, CATEGORIES)) * 0.8,
        "false": rng.random((images, CATEGORIES)) < 0.1,
    }
    hit = draw["present"] & (rng.random((images, CATEGORIES)) < found)
    rows = [(c, draw["score"][i, c], i, ALL) for i, c in np.argwhere(hit)]
    rows += [(c, draw["noise"][i, c], i, np.uint16(0)) for i, c in np.argwhere(draw["false"])]
    category, score, image, bits = (np.array(column) for column in zip(*rows, strict=True))
    order = np.lexsort((-score, category))
    truth_image, truth_category = np.nonzero(draw["present"])
    return Matches(
        offsets=np.searchsorted(category[order], np.arange(CATEGORIES + 1)),
        image=image[order].astype(np.int32),
        score=score[order],
        hit=np.repeat(bits[order, None], 4, 1).astype(np.uint16),
        ignored=np.zeros((len(order), 4), np.uint16),
        truth_image=truth_image.astype(np.int32),
        truth_category=truth_category.astype(np.int32),
        truth_counts=np.ones((len(truth_image), 4), bool),
        groups=np.arange(CATEGORIES) % 3,
        images=images,
        detections=len(order),
    ), draw


def test_unweighted_scores_are_the_metrics():
    matches, _ = simulate(np.random.default_rng(0), 50)
    metrics = summarize(*accumulate(matches), matches.groups)
    names = ("AP", "AP_r", "AP_c", "AP_f")
    assert scores(matches).tolist() == pytest.approx([metrics[name] for name in names], abs=1e-12)


def test_a_perfect_model_has_no_error_and_equal_models_do_not_differ():
    matches, _ = simulate(np.random.default_rng(0), 400, found=1.0)
    perfect = replace(matches, ignored=~matches.hit)  # no false positives
    for part in standard_errors(perfect, count=20).values():
        assert part["estimate"] == pytest.approx(1.0)
        assert part["se"] == pytest.approx(0.0, abs=1e-12)
    for part in paired_difference(matches, matches, count=20).values():
        assert part == {"estimate": 0.0, "se": 0.0, "low": 0.0, "high": 0.0}


def test_the_same_seed_draws_the_same_and_an_empty_group_is_undefined():
    matches, _ = simulate(np.random.default_rng(0), 60)
    assert (replicates(matches, 5, seed=3) == replicates(matches, 5, seed=3)).all()
    assert (replicates(matches, 5, seed=3) != replicates(matches, 5, seed=4)).any()
    no_rare = replace(matches, groups=np.maximum(matches.groups, 1))
    assert standard_errors(no_rare, count=5)["AP_r"] is None
    with pytest.raises(ValueError, match="same annotations"):
        paired_difference(matches, simulate(np.random.default_rng(1), 60)[0], count=5)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    """95 % of intervals over independent data sets hold the AP of a very large one."""
    large = np.random.default_rng(99)
    weak, draw = simulate(large, 20000, 0.5)
    strong, _ = simulate(large, 20000, 0.7, draw)
    truth, change = scores(weak)[0], scores(strong)[0] - scores(weak)[0]
    assert change > 0.1
    inside, rounds = np.zeros(2), 200
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        a, draw = simulate(rng, 200, 0.5)
        b, _ = simulate(rng, 200, 0.7, draw)
        one = standard_errors(a, count=80, seed=seed)["AP"]
        two = paired_difference(a, b, count=80, seed=seed)["AP"]
        inside += one["low"] <= truth <= one["high"], two["low"] <= change <= two["high"]
    # 200 rounds know the coverage to ± 3 % (two binomial standard deviations).
    assert inside / rounds == pytest.approx([0.95, 0.95], abs=0.04)
