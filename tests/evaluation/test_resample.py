"""Bootstrap standard errors: parity with the evaluation, and exact cases."""

from dataclasses import replace

import generated
import numpy as np
import pytest
from simulated import ALL, simulate

from seesaw.errors import UserError
from seesaw.evaluation import resample
from seesaw.evaluation.ground_truth import load
from seesaw.evaluation.lvis_eval import accumulate, match, mean, summarize
from seesaw.evaluation.matcher import RECALL_THRESHOLDS, average_precision, sample_ap
from seesaw.evaluation.resample import (
    Ranking,
    replicates,
    report,
    scores,
)


def standard_errors(ranking, count, seed=0):
    return report(scores(ranking), replicates(ranking, count, seed))


def sample_of(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """AP (C, S) of samples (I, S)."""
    truths = ranking.truth_image, ranking.truth_category
    rows = ranking.offsets, ranking.image, ranking.hit, ranking.ignored
    return sample_ap(*rows, *truths, weights.astype(np.float32))


@pytest.mark.parametrize("seed", range(6))
def test_samples_of_fuzzed_matches_score_as_the_evaluation_of_each(tmp_path, seed):
    data = generated.dataset(seed, images=20)
    lines = generated.detections(data, seed)
    annotations, found = generated.save(tmp_path, data, lines)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(20, np.full(20, 0.05), size=7).T
    for matches in match(found, load(annotations)).values():
        ours = sample_of(Ranking.of(matches), weights)
        for sample, weight in zip(ours.T, weights.T, strict=True):
            expected = accumulate(matches, weight, areas=(0,))[0][:, :, 0].mean(0)
            assert sample == pytest.approx(expected, abs=1e-12, nan_ok=True)
            assert np.isnan(sample).any() and not np.isnan(sample).all()


@pytest.mark.parametrize("truths", [1, 2, 7, 25, 29, 50, 57, 58, 100, 200, 700])
def test_recall_on_a_threshold_counts_as_in_the_evaluation(truths):
    """With k of n found, recall is k / n exactly: on a threshold for many k."""
    assert (np.arange(101) * 0.01 == RECALL_THRESHOLDS).all()
    for found in {1, truths // 4, truths // 2, 57 * truths // 100, truths - 1, truths} - {0}:
        # True positives and false ones in turn: the curve falls, so each threshold matters.
        hit = np.tile(np.array([ALL, 0], np.uint16), found)
        image, none = np.zeros(2 * found, np.int32), np.zeros(2 * found, np.uint16)
        offsets = np.array([0, 2 * found])
        truth = np.zeros(truths, np.int32)
        one = sample_ap(offsets, image, hit, none, truth, truth, np.ones((1, 1), np.float32))
        curve = (offsets, image, hit, none, np.array([float(truths)]), np.ones(1))
        expected = average_precision(*curve, RECALL_THRESHOLDS, 10)[0]
        assert one[0, 0] == pytest.approx(expected.mean(), abs=1e-12)


def test_unweighted_scores_are_the_metrics():
    matches, _ = simulate(np.random.default_rng(0), 50)
    metrics = summarize(*accumulate(matches), matches.groups)
    names = ("AP", "AP_r", "AP_c", "AP_f")
    expected = [metrics[name] for name in names]
    assert scores(Ranking.of(matches)).tolist() == pytest.approx(expected, abs=1e-12)


def test_replicates_are_the_means_over_the_categories_that_were_drawn():
    matches, _ = simulate(np.random.default_rng(5), 25)
    drawn = replicates(Ranking.of(matches), 20, seed=1)  # more than one block of samples
    rng = np.random.default_rng(1)
    for row in drawn:
        weight = rng.multinomial(25, np.full(25, 1 / 25))
        ap = accumulate(matches, weight, areas=(0,))[0][:, :, 0]
        expected = [mean(ap), *(mean(ap[:, matches.groups == group]) for group in range(3))]
        expected = [np.nan if value is None else value for value in expected]
        assert row.tolist() == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_a_perfect_model_has_no_error():
    matches, _ = simulate(np.random.default_rng(0), 400, found=1.0)
    perfect = Ranking.of(replace(matches, ignored=~matches.hit))  # no false positives
    for part in standard_errors(perfect, count=20).values():
        assert part["estimate"] == pytest.approx(1.0)
        assert part["se"] == pytest.approx(0.0, abs=1e-12)


def test_the_same_seed_draws_the_same_and_an_empty_group_is_undefined():
    ranking = Ranking.of(simulate(np.random.default_rng(0), 60)[0])
    once = replicates(ranking, 5, seed=3)
    np.testing.assert_array_equal(once, replicates(ranking, 5, seed=3))
    assert (once[:, 0] != replicates(ranking, 5, seed=4)[:, 0]).all()
    no_rare = replace(ranking, groups=np.maximum(ranking.groups, 1))
    assert standard_errors(no_rare, count=5)["AP_r"] is None


def test_rankings_come_back_from_disk_the_same_bytes_each_time(tmp_path):
    rankings = {
        kind: Ranking.of(simulate(np.random.default_rng(seed), 300)[0])
        for seed, kind in enumerate(("segm", "bbox"))
    }
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    resample.save(rankings, first)
    resample.save(rankings, second)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]
    again = resample.load(first)
    assert list(again) == ["segm", "bbox"]
    for kind, ranking in rankings.items():
        np.testing.assert_array_equal(replicates(again[kind], 20), replicates(ranking, 20))


def test_a_damaged_or_missing_file_of_matches_is_told_in_one_sentence(tmp_path):
    path = tmp_path / "matches.npz"
    with pytest.raises(UserError, match=f"{path} is missing"):
        resample.load(path)
    ranking = Ranking.of(simulate(np.random.default_rng(0), 60)[0])
    resample.save({"segm": ranking}, path)
    whole = path.read_bytes()
    for broken in (b"", b"[]", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=f"{path} is damaged"):
            resample.load(path)
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        try:
            again = resample.load(path)
        except UserError as error:
            assert "is damaged" in str(error)
        else:  # a byte that says nothing, such as a date
            np.testing.assert_array_equal(again["segm"].hit, ranking.hit)
