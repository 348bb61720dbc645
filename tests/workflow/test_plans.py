"""Dry runs of the workflow: which jobs a target needs, and what a wrong call says.

Fast tests of the same jobs, from Snakemake's graph without a dry run, are in planning/.
"""

import re
from collections import Counter

import pytest
from facts import lacks
from repository import copied, python

from seesaw.spec import experiments, figures
from seesaw.spec.scales import Scale
from seesaw.spec.site import Site

KEPT = ("Snakefile", "workflow", "configs", "profiles", "local", "slurm", "environment.yml")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a fresh clone has: no data, no results, no caches."""
    return copied(tmp_path_factory.mktemp("clone"), *KEPT)


def snakemake(root, *arguments):
    return python(root, "-m", "snakemake", *arguments, code=None)


def jobs(done):
    text = done.stdout + done.stderr
    table = text[text.index("Job stats") :]
    return {k: int(n) for k, n in re.findall(r"^ *(\w+) +(\d+) *$", table, re.M)}


def test_paper_scale_plans_every_training_from_a_fresh_clone(clone):
    done = snakemake(clone, "--profile", "slurm", "-n", "-p", "all")
    table = experiments.load()
    planned = jobs(done)
    assert done.returncode == 0
    assert planned["train"] == sum(len(t.seeds) for t in table.trainings.values())
    splits = Counter(e.split for e in table.evaluations.values())
    assert (planned["detect"], planned["evaluate"]) == (splits.total(), splits["val"])
    workers = (done.stdout + done.stderr).count(f" --workers {Site().cpus_per_gpu} ")
    assert workers == planned["train"] + planned["detect"]
    assert planned["figure"] == len(figures.FIGURES)
    assert planned["table"] == len(experiments.PLACES)
    assert planned["download"] == len(Scale("paper").downloads)
    assert {planned[rule] for rule in ("data", "speed", "submit", "report")} == {1}


@pytest.mark.slow
def test_claims_of_another_scale_stop_the_plan(clone):
    done = snakemake(clone, "--profile", "local", "-n", "claims", "--config", "scale=smoke")
    assert done.returncode != 0
    assert not lacks(done.stdout + done.stderr, "configs/claims.yaml", "mini")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("scale=huge", "the scale 'huge' is unknown"),
        ("dataset=nowhere", "the dataset 'nowhere' is neither an entry"),
    ],
)
def test_a_wrong_setting_is_named_in_a_sentence(clone, setting, expected):
    done = snakemake(clone, "-n", "--config", setting, "--", "all")
    assert done.returncode != 0
    assert expected in " ".join((done.stdout + done.stderr).split())
    assert not (clone / "results").exists()
