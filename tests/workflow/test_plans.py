"""Dry runs of the workflow: which jobs a target needs, and what a wrong call says.

Fast tests of the same jobs, from Snakemake's graph without a dry run, are in planning/.
"""

from collections import Counter

import pytest
from facts import lacks
from repository import WORKFLOW, copied, planned, snakemake

from seesaw.spec import experiments, figures
from seesaw.spec.scales import Scale
from seesaw.spec.site import Site


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a fresh clone has: no data, no results, no caches."""
    return copied(tmp_path_factory.mktemp("clone"), *WORKFLOW)


def test_paper_scale_plans_every_training_from_a_fresh_clone(clone):
    said = snakemake(clone, "--profile", "slurm", "-n", "-p", "all")
    table, jobs = experiments.load(), planned(said)
    assert jobs["train"] == sum(len(t.seeds) for t in table.trainings.values())
    splits = Counter(e.split for e in table.evaluations.values())
    assert (jobs["detect"], jobs["evaluate"]) == (splits.total(), splits["val"])
    workers = said.count(f" --workers {Site().cpus_per_gpu} ")
    assert workers == jobs["train"] + jobs["detect"]
    assert jobs["figure"] == len(figures.FIGURES)
    assert jobs["table"] == len(experiments.PLACES)
    assert jobs["download"] == len(Scale("paper").downloads)
    assert {jobs[rule] for rule in ("data", "speed", "submit", "report")} == {1}


@pytest.mark.slow
def test_claims_of_another_scale_stop_the_plan(clone):
    words = ("--profile", "local", "-n", "claims", "--config", "scale=smoke")
    assert not lacks(snakemake(clone, *words, code=1), "configs/claims.yaml", "mini")


def test_a_setting_that_does_not_exist_is_named(clone):
    said = snakemake(clone, "-n", "--config", "scal=smoke", "--", "all", code=1)
    assert not lacks(said, "--config scal:", "did you mean scale?")


@pytest.mark.parametrize(("key", "value"), [("scale", "5"), ("dataset", "nowhere")])
def test_a_wrong_setting_is_named_in_a_sentence(clone, key, value):
    said = snakemake(clone, "-n", "--config", f"{key}={value}", "--", "all", code=1)
    assert not lacks(said, f"the {key} {value!r} ")
    assert not (clone / "results").exists()
