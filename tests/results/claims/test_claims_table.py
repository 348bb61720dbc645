"""The table of claims: mistakes are named in a sentence, and which runs it asks for."""

from collections import Counter

import pytest
from facts import lacks, refusal

from seesaw.errors import UserError
from seesaw.spec import claims as table
from seesaw.spec.scales import Scale
from seesaw.workflow import design, jobs

GAIN = dict(kind="gain", pair=["a09_stronger_backbone", "a10_seesaw"], metric="AP_r")
PAIRS = {"a09_stronger_backbone", "a10_seesaw"} | {
    f"{framework}_{sampler}_{loss}"
    for framework in ("mask_rcnn", "cascade")
    for sampler in ("random", "rfs")
    for loss in ("ce", "seesaw")
}


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        ({"kind": "gian"}, ["claims.0.kind", "'gian'", "'gain'"]),
        ({"metric": "AP_x"}, ["claims.0.metric", "'AP_x'", "'AP', 'AP_r'"]),
        ({"pair": ["a09_stronger_backbone", "a99"]}, ["claim c", "'a99'"]),
        ({"pair": ["test_dev_a12", "a10_seesaw"]}, ["claim c", "'test_dev_a12'", "on val"]),
        ({"margin": 1.0}, ["claims.0", "kind gain", "metric"]),
        ({"kind": "no_loss"}, ["claims.0", "kind no_loss", "margin", "metric"]),
        ({"frozen": "abc"}, ["frozen", "'abc'"]),
        ({"seeds": [0, 1, 1]}, ["seeds is [0, 1, 1]", "distinct"]),
        ({"pair": ["a10_seesaw", "a10_seesaw"]}, ["claims.0", "a10_seesaw", "itself"]),
        ({"unknown": 1}, ["claims.0.unknown"]),
    ],
)
def test_a_mistake_is_one_sentence(claim, change, facts):
    said = refusal(claim, **GAIN | change)
    assert not lacks(said, "configs/claims.yaml", *facts)


def test_a_speed_that_is_not_timed_is_one_sentence(claim):
    """It would stay without a run for ever, and so would the next one's."""
    row = dict(kind="faster", pair=["a01_mask_rcnn", "b03_htc_lite"], mode="ours")
    said = refusal(claim, **row)
    assert not lacks(said, "configs/claims.yaml", "claim c", "a01_mask_rcnn", "Table A2")


def test_a_speed_may_be_of_a_row_that_the_reference_lacks(claim):
    """The report of the reference would be refused, on the docs' site."""
    scale, claims = claim(
        kind="faster", pair=["b01_cascade_mask_rcnn", "b03_htc_lite"], mode="ours"
    )
    (scale.reference / "b01_cascade_mask_rcnn").mkdir(parents=True)
    kept = scale.frozen()
    assert "b03_htc_lite" not in {c.evaluation for c in kept.table.cells}
    assert table.of(kept) == claims


def test_gradients_that_are_not_counted_are_one_sentence(claim):
    row = dict(kind="gradient_ratio", bands=["r", "r"], expect="above")
    scale, claims = claim(pair=["mask_rcnn_rfs_ce", "a01_mask_rcnn"], **row)
    said = refusal(design.fingerprint, claims, scale, "data")
    facts = ("claim c", "table_a1/a01_mask_rcnn.py", "gradient_ratio.py")
    assert not lacks(said, "configs/claims.yaml", *facts)
    scale, claims = claim(pair=["mask_rcnn_rfs_ce", "mask_rcnn_rfs_seesaw"], **row)
    assert design.fingerprint(claims, scale, "data")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claim": "d"}, "curves: 'd'"),
        ({"a": [1.0]}, r"curves\.0: .*epochs"),
        ({"epochs": [1, 2]}, r"curves\.0\.epochs "),
        ({"seed": 0}, r"curves\.0\.seed is 0, but "),
    ],
)
def test_a_mistake_in_a_curve_is_one_sentence(claim, change, said):
    curve = dict(claim="c", design="d1", seed=100, epochs=[1, 2, 4], a=[1, 2, 3], b=[0, 1, 2])
    assert claim(**GAIN, curves=[curve])[1].curves[0].epochs == [1, 2, 4]
    with pytest.raises(UserError, match=said):
        claim(**GAIN, curves=[curve | change])


def test_claims_that_share_an_id_are_reported(claim):
    with pytest.raises(UserError, match=r"\bc\b.*twice"):
        claim(**GAIN, more=[dict(id="c", says="s", where="w", **GAIN)])


def test_only_one_scale_tests_claims(claim):
    claim(**GAIN)
    scale = Scale("paper")
    assert table.of(scale) is None and table.of(Scale("single_gpu")) is None
    graph = jobs.workflow(scale)
    assert {job.seed for job in graph.every.values()} == {0} and "claims" not in graph.every
    with pytest.raises(UserError, match=r"claims\.yaml .*mini.*paper"):
        graph.select("claims")


def test_a_training_that_goes_on_asks_for_its_starts_seeds(claim):
    pair = ["a10_seesaw", "a11_dual_head"]
    scale, claims = claim(kind="no_loss", pair=pair, metric="AP", margin=1, seeds=[0, 7])
    assert claims.trained(scale.table) == {"a10_seesaw": [0, 7], "a11_dual_head": [0, 7]}
    every = jobs.workflow(scale).every
    assert every["train/a11_dual_head/seed7"].needs == ("data", "train/a10_seesaw/seed7")
    assert "submit/a11_dual_head/seed7/test_dev_a12" not in every


def test_the_claims_that_are_committed_ask_for_these_runs(clone):
    scale = Scale("mini")
    graph, rows = jobs.workflow(scale), scale.table
    chosen = graph.select("claims")
    runs = Counter(job.training for job in chosen.values() if job.rule == "train")
    asked = table.of(scale).trained(rows)
    assert runs == {name: len(seeds) for name, seeds in asked.items()}
    assert {name for name, seeds in runs.items() if seeds == 5} == PAIRS
    assert set(runs.values()) == {3, 5}
    rules = Counter(job.rule for job in chosen.values())
    again = rules["train"] + runs["a11_dual_head"]  # a12, of a11's weights
    assert rules["evaluate"] == rules["detect"] == again
    assert rules["speed"] == rules["claims"] == rules["data"] == 1 and "table" not in rules
    # tables, figures and submissions keep their seed
    assert {job.seed for job in graph.select("all").values()} == {0}
    assert {t.id: t.seeds for t in rows.trainings.values()} == {i: [0] for i in rows.trainings}
