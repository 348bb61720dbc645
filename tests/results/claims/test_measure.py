"""Effect, standard error, interval and verdict of hand-made results, as numbers."""

from math import exp, sqrt

import pytest
from claim_results import CE, GAIN, SEESAW, both, evaluated, found, timed, trained
from facts import lacks

from seesaw.core.records import failure_path
from seesaw.errors import UserError
from seesaw.results.claims.measure import report
from seesaw.results.claims.runs import Results
from seesaw.results.tables.verdicts import ASSUMED, Spread
from seesaw.spec import claims as table

T8, T2 = 2.3060041, 4.3026527  # Student's t, 97.5 %, 8 and 2 degrees of freedom


@pytest.mark.parametrize(
    ("differences", "mean", "verdict"),
    [
        ([1, 2, 3, 4, 5], 3, "supported"),
        ([-1, 0, 1, 2, 3], 1, "not shown"),
        ([-1, -2, -3, -4, -5], -3, "contradicted"),
    ],
)
def test_a_gain_over_five_seeds(claim, differences, mean, verdict):
    scale, claims = claim(**GAIN)
    both(scale, *((10, 10 + difference) for difference in differences))
    made = found(scale, claims)
    # no spread by images; the variances between runs, 0 and 2.5, are pooled: 2 * 1.25 / 5
    assert (made.effect, made.verdict, made.state) == (mean, verdict, "done")
    assert made.se == pytest.approx(sqrt(0.5), abs=1e-6)
    assert made.low == pytest.approx(mean - T8 * sqrt(0.5), abs=1e-5)
    assert made.high == pytest.approx(mean + T8 * sqrt(0.5), abs=1e-5)
    assert [run.effect for run in made.runs] == differences
    assert made.spread == pytest.approx(sqrt(1.25), abs=1e-6) and not made.assumed
    assert (made.runs[4].a, made.runs[4].b) == (10, 10 + differences[4])


def test_an_evaluation_of_the_same_models_adds_no_runs(claim):
    pair = ["a11_dual_head", "a12_test_time_augmentation"]
    scale, claims = claim(kind="gain", pair=pair, metric="AP", seeds=(0, 1, 2))
    both(scale, (10, 12), (12, 17), (14, 22), pair=pair)
    assert Results(scale, claims, {}).spread("AP") == (Spread(2.0, assumed=False), 2)


def test_an_untimed_model_has_no_speed(claim):
    pair = ["b01_cascade_mask_rcnn", "b03_htc_lite"]
    scale, claims = claim(kind="faster", pair=pair, mode="ours")
    timed(scale, b03_htc_lite=[1.0, 2.0])
    assert found(scale, claims).state == "not run"


def test_the_spread_of_other_rungs_counts_with_a_claims_own(claim):
    """Three seeds alone have four degrees of freedom; a quiet rung of another claim adds two."""
    other = dict(id="d", says="s", where="w", kind="gain", pair=[CE, "a10_seesaw"], metric="AP_r")
    scale, claims = claim(**GAIN, seeds=(0, 1, 2), more=[other])
    both(scale, (10, 12), (10, 13), (10, 14))
    for seed in range(3):
        evaluated(scale, "a10_seesaw", seed, 11)
    made = found(scale, claims)
    # variances between runs 0, 1 and 0; 3 * 2 = 6 degrees of freedom, for which t is 2.4469119
    assert made.spread == pytest.approx(sqrt(1 / 3), abs=1e-6)
    assert made.se == pytest.approx(sqrt(2 / 3 / 3), abs=1e-6)
    assert made.low == pytest.approx(3 - 2.4469119 * made.se, abs=1e-5)


def test_images_and_seeds_both_count(claim):
    scale, claims = claim(**GAIN)
    both(scale, *((10, 11 + seed) for seed in range(5)), noise=1.0)
    made = found(scale, claims)
    # the draws vary alike in all seeds, by 400 / 399; the seeds by 2.5 / 5
    assert made.se == pytest.approx(sqrt(400 / 399 + 0.5), abs=1e-5)
    assert made.verdict == "supported" and made.low == pytest.approx(0.557, abs=1e-3)


def test_nothing_found_on_either_side_shows_nothing(claim):
    scale, claims = claim(**GAIN)
    both(scale, *[(0.0, 0.0)] * 5)
    made = found(scale, claims)
    assert (made.effect, made.se, made.verdict) == (0, 0, "not shown")


def test_some_seeds_get_no_verdict_yet(claim):
    scale, claims = claim(**GAIN)
    assert (found(scale, claims).state, found(scale, claims).effect) == ("not run", None)
    evaluated(scale, CE, 0, 10)
    assert found(scale, claims).runs == []  # one side alone is no run
    for seed in (0, 3):
        evaluated(scale, CE, seed, 10)
        evaluated(scale, SEESAW, seed, 15 + seed)
    made = found(scale, claims)
    assert (made.state, made.verdict, made.effect) == ("incomplete", None, 6.5)
    assert [run.seed for run in made.runs] == [0, 3]
    assert not report(scale, claims, None).complete


@pytest.mark.parametrize(
    ("pair", "failed"), [([CE, SEESAW], SEESAW), (["a10_seesaw", "a11_dual_head"], "a10_seesaw")]
)
def test_a_failed_training_of_a_run_or_before_it_is_quoted(claim, pair, failed):
    scale, claims = claim(**GAIN | {"pair": pair})
    path = failure_path(scale.model(failed, 2))
    path.parent.mkdir(parents=True)
    path.write_text('{"error": "diverged"}')
    made = found(scale, claims)
    assert (made.state, made.note) == ("failed", f"{failed}/seed2/model.pth: diverged")


def test_an_undefined_metric_is_reported(claim):
    scale, claims = claim(**GAIN)
    both(scale, *[(None, 1)] * 5)
    made = found(scale, claims)
    assert (made.state, made.verdict, made.note) == ("undefined", None, "AP_r is undefined")


def test_other_annotations_are_reported(claim):
    scale, claims = claim(**GAIN)
    both(scale, *[(1, 1)] * 5, annotations="1" * 64)
    with pytest.raises(UserError, match=f"{CE} .*{SEESAW}: .*annotations"):
        found(scale, claims)


@pytest.mark.parametrize(
    ("pair", "difference", "se", "verdict"),
    [
        # two trainings: 1.6 AP assumed for each; margin 1
        (["b01_cascade_mask_rcnn", "b03_htc_lite"], 3.6, 1.6 * sqrt(2), "supported"),
        (["b01_cascade_mask_rcnn", "b03_htc_lite"], 3.5, 1.6 * sqrt(2), "not shown"),
        (["b01_cascade_mask_rcnn", "b03_htc_lite"], -4.6, 1.6 * sqrt(2), "contradicted"),
        # one trained on from the other
        (["a10_seesaw", "a11_dual_head"], 2.3, 1.6, "supported"),
        (["a10_seesaw", "a11_dual_head"], 2.1, 1.6, "not shown"),
        (["a10_seesaw", "a11_dual_head"], -3.3, 1.6, "contradicted"),
        # the same weights: images alone, which do not vary here
        (["a11_dual_head", "a12_test_time_augmentation"], 0.0, 0, "supported"),
        (["a11_dual_head", "a12_test_time_augmentation"], -0.1, 0, "contradicted"),
    ],
)
def test_no_loss_of_one_seed_with_the_assumed_spread(
    claim, monkeypatch, pair, difference, se, verdict
):
    monkeypatch.setitem(ASSUMED, "mini", {"": 1.6})
    scale, claims = claim(kind="no_loss", pair=pair, metric="AP", margin=1.0, seeds=[0])
    both(scale, (20, 20 + difference), pair=pair)
    made = found(scale, claims)
    assert (made.verdict, made.spread, made.assumed) == (verdict, 1.6 if se else None, se > 0)
    assert made.se == pytest.approx(se, abs=1e-6)
    assert made.low == pytest.approx(difference - 2 * se, abs=1e-5)


def test_a_single_pair_takes_the_spread_of_the_runs_over_seeds(claim):
    pair = ["a10_seesaw", "a11_dual_head"]
    single = dict(id="d", says="s", where="w", kind="no_loss", pair=pair, metric="AP", margin=1.0)
    scale, claims = claim(**GAIN, more=[single | {"seeds": [0]}])
    both(scale, (20, 20.5), pair=pair)
    assert report(scale, claims, None).claims[1].assumed
    both(scale, *((10 + x, 12 + 3 * x) for x in (-0.2, -0.1, 0.0, 0.1, 0.2)))
    made = report(scale, claims, None).claims[1]
    # variances 0.025 and 0.225
    assert made.spread == pytest.approx(sqrt(0.125), abs=1e-6) and not made.assumed
    assert made.se == pytest.approx(sqrt(0.125), abs=1e-6) and made.verdict == "supported"


@pytest.mark.parametrize(
    ("logs", "expect", "verdict"),
    [
        ([-2.1, -2.0, -1.9], "below", "supported"),
        ([-2.1, -2.0, -1.9], "above", "contradicted"),
        ([-3.0, -2.0, -1.0], "below", "not shown"),  # up to -2 + 4.30 / sqrt(3) = 0.48
    ],
)
def test_gradients_of_the_tail_against_the_heads(claim, logs, expect, verdict):
    row = dict(kind="gradient_ratio", pair=[CE, CE], bands=["f", "r"], expect=expect)
    scale, claims = claim(seeds=[0, 1, 2], **row)
    for seed, value in enumerate(logs):
        trained(scale, CE, seed, rare=0.5 * exp(value), frequent=0.5)
    made = found(scale, claims)
    half = T2 * (logs[2] - logs[1]) / sqrt(3)
    assert (made.verdict, made.unit) == (verdict, "x")
    assert made.effect == pytest.approx(exp(-2), rel=1e-4)
    assert made.low == pytest.approx(exp(-2 - half), rel=1e-3)
    assert made.high == pytest.approx(exp(-2 + half), rel=1e-3)
    assert made.runs[1].a == pytest.approx(0.5) and made.runs[1].b == pytest.approx(0.067668)


def test_seesaws_gradients_against_cross_entropys(claim):
    row = dict(kind="gradient_ratio", pair=[CE, SEESAW], bands=["r", "r"], expect="above")
    scale, claims = claim(seeds=[0, 1], **row)
    for seed, rare in ((0, 0.4), (1, 0.5)):
        trained(scale, CE, seed, rare=0.1, frequent=0.5)
        trained(scale, SEESAW, seed, rare=rare, frequent=0.5)
    made = found(scale, claims)
    assert made.effect == pytest.approx(sqrt(20), rel=1e-5) and made.verdict == "supported"
    assert [run.effect for run in made.runs] == [pytest.approx(4), pytest.approx(5)]
    for nothing in (0.0, 1e-8):  # of six decimals none is left
        trained(scale, CE, 1, rare=nothing, frequent=0.5)
        assert not lacks(found(scale, claims).note, "seed 1", " 0,", " 0.5")


def test_faster_round_by_round(claim):
    pair = ["b02_htc_without_semantic", "b03_htc_lite"]
    scale, claims = claim(kind="faster", pair=pair, mode="ours")
    assert found(scale, claims).state == "not run"
    # the machine slows down to a half; the ratio stays
    timed(scale, b02_htc_without_semantic=[4, 2, 3], b03_htc_lite=[8, 4.4, 5.4])
    made = found(scale, claims)
    assert [run.effect for run in made.runs] == [2, 2.2, 1.8]
    assert made.effect == pytest.approx((2 * 2.2 * 1.8) ** (1 / 3), rel=1e-5)
    assert (made.state, made.verdict) == ("done", "supported")
    timed(scale, b02_htc_without_semantic=[8, 4.4, 5.4], b03_htc_lite=[4, 2, 3])
    assert found(scale, claims).verdict == "contradicted"


def test_a_rung_without_a_config_is_not_run(claim, clone):
    (clone / "configs/table_a1/a10_seesaw.py").unlink()
    pair = ["a09_stronger_backbone", "a10_seesaw"]
    scale, claims = claim(kind="gain", pair=pair, metric="AP")
    assert [*table.files(scale, claims)["metrics"]] == [f"{pair[0]}/seed{k}" for k in range(5)]
    assert found(scale, claims).state == "not run"
