"""The verdicts' rules, case by case (docs/verdicts.md)."""

import pytest

from seesaw.evaluation.uncertainty import Estimate
from seesaw.results.tables.verdicts import Spread, judge, pooled_spread

ASSUMED = Spread(0.3, assumed=True)
ONE_RUN = Estimate(0, se=0.4, images=0.4, half_width=0.8)  # 2 sqrt(0.4^2 + 0.3^2) = 1.0


@pytest.mark.parametrize(
    ("ours", "paper", "verdict"),
    [
        (20.9, 20.0, "reproduced"),
        (19.1, 20.0, "reproduced"),
        (21.1, 20.0, "not reproduced"),
        (18.9, 20.0, "not reproduced"),
        (1.1, 0.7, "reproduced"),
        (0.9, 0.7, "within noise"),  # a model that finds nothing would be as near
        (0.0, 0.7, "within noise"),
        (0.0, 1.1, "not reproduced"),
    ],
)
def test_a_level_within_two_deviations_of_images_and_runs_is_reproduced(ours, paper, verdict):
    assert judge(ours, paper, ONE_RUN, ASSUMED) == (verdict, 1.0, 1.0)


@pytest.mark.parametrize(
    ("ours", "paper", "verdict"),
    [
        (6.0, 6.9, "reproduced"),
        (2.0, 6.9, "not reproduced"),  # of the same sign, yet another size
        (9.0, 6.9, "not reproduced"),  # larger than the paper's is no reproduction either
        (0.5, 0.2, "within noise"),
        (-0.3, 0.2, "within noise"),
        (-1.1, 0.2, "not reproduced"),
        (-1.2, -0.5, "reproduced"),  # a step down
        (1.2, 0.0, "not reproduced"),  # the paper saw no step
        (0.2, 0.0, "within noise"),
    ],
)
def test_an_increment_that_includes_zero_cannot_claim_the_papers_sign(ours, paper, verdict):
    # 2 sqrt(0.4^2 + 2 * 0.2^2) = 0.98 for the step between two trainings
    found = judge(ours, paper, ONE_RUN, Spread(0.2, assumed=False), trainings=2)
    assert found == (verdict, 0.979796, 0.979796)


@pytest.mark.parametrize(
    ("ours", "paper", "verdict"),
    [
        (1.1, 6.9, "reproduced"),
        (30.0, 0.2, "reproduced"),
        (0.9, 6.9, "within noise"),
        (-0.9, 6.9, "within noise"),
        (-1.1, 6.9, "not reproduced"),
    ],
)
def test_where_sizes_are_of_another_scale_only_the_sign_counts(ours, paper, verdict):
    found = judge(ours, paper, ONE_RUN, ASSUMED, sign_only=True)
    assert found == (verdict, None, 1.0)


def test_a_step_holds_the_spread_of_the_trainings_that_differ():
    bounds = [judge(1, 1, ONE_RUN, ASSUMED, n)[2] for n in (0, 1, 2)]
    assert bounds == [0.8, 1.0, pytest.approx(2 * (0.16 + 0.18) ** 0.5, abs=1e-6)]


def test_several_seeds_narrow_what_is_told_from_zero_but_not_the_papers_single_run():
    error = Estimate(0, se=0.2, images=0.4, half_width=0.5, seeds=5, spread=0.3)
    assert judge(0.6, 1.0, error, ASSUMED) == ("reproduced", 1.0, 0.5)
    # The interval tells our step from zero on the other side; the paper's one run is near it.
    assert judge(-0.6, 0.2, error, ASSUMED)[0] == "within noise"


def repeated(*spreads, seeds=2):
    return [(seeds, spread) for spread in spreads]


def test_the_spread_is_measured_from_five_runs_on_and_else_assumed():
    assert pooled_spread([], "AP", "paper") == Spread(0.3, assumed=True)
    assert pooled_spread([], "AP_r", "paper") == Spread(1.0, assumed=True)
    assert pooled_spread([], "AP_box", "mini") == Spread(1.1, assumed=True)
    assert pooled_spread([], "AP", "smoke") is None
    assert pooled_spread(repeated(0.1, seeds=5), "AP", "paper") == Spread(0.1, assumed=False)
    four_pairs = repeated(0.1, 0.2, 0.2, 0.4)  # sqrt(0.25 / 4)
    assert pooled_spread(four_pairs, "AP", "paper") == Spread(0.25, assumed=False)
    # Three pairs may be near by chance; far apart they are believed.
    assert pooled_spread(repeated(0.1, 0.1, 0.1), "AP", "paper") == Spread(0.3, assumed=True)
    assert pooled_spread(repeated(0.5), "AP", "paper") == Spread(0.5, assumed=False)
