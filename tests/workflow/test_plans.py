"""Dry runs of the workflow: which jobs a target needs, and what a wrong call says.

Fast tests of the same jobs, from Snakemake's graph without a dry run, are in planning/.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from facts import lacks

from seesaw.spec import experiments, figures

REPOSITORY = Path(__file__).parents[2]
KEEP = ("Snakefile", "workflow", "configs", "profiles", "environment.yml")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a fresh clone has: no data, no results, no caches."""
    root = tmp_path_factory.mktemp("clone")
    for name in KEEP:
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, root / name)
    for name in ("local", "slurm"):
        (root / name).symlink_to(f"profiles/{name}")
    return root


def snakemake(root, *arguments):
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def jobs(done):
    text = done.stdout + done.stderr
    table = text[text.index("Job stats") :]
    return {k: int(n) for k, n in re.findall(r"^ *(\w+) +(\d+) *$", table, re.M)}


def test_paper_scale_plans_every_training_from_a_fresh_clone(clone):
    done = snakemake(clone, "--profile", "slurm", "-n", "all")
    table = experiments.load()
    planned = jobs(done)
    assert done.returncode == 0
    assert planned["train"] == sum(len(t.seeds) for t in table.trainings.values())
    splits = Counter(e.split for e in table.evaluations.values())
    assert (planned["detect"], planned["evaluate"]) == (splits.total(), splits["val"])
    assert planned["submit"] == 1
    assert planned["speed"] == 1 and planned["table"] == 3 and planned["data"] == 1
    assert planned["download"] == 2
    assert planned["figure"] == len(figures.FIGURES) and planned["report"] == 1


@pytest.mark.slow
def test_the_released_models_need_no_training(clone):
    done = snakemake(clone, "--profile", "slurm", "-n", "zoo")
    planned = jobs(done)
    assert (planned["convert"], planned["detect"], planned["evaluate"]) == (12, 12, 12)
    assert planned["download"] == 3 and planned["zoo"] == 1 and "train" not in planned
    done = snakemake(clone, "--profile", "local", "-n", "zoo", "--config", "scale=smoke")
    assert jobs(done)["convert"] == 12 and "download" not in jobs(done)


@pytest.mark.slow
def test_a_submission_needs_the_entrys_trainings_and_test_dev_only(clone):
    done = snakemake(clone, "--profile", "local", "-n", "submission")
    planned = jobs(done)
    assert (planned["train"], planned["detect"], planned["submit"]) == (2, 1, 1)
    assert "evaluate" not in planned


@pytest.mark.slow
def test_one_table_plans_only_its_rungs(clone):
    done = snakemake(clone, "--profile", "local", "-n", "table_a1")
    planned, table = jobs(done), experiments.load()
    shown = [table.evaluations[c.evaluation] for c in table.place_cells("table_a1")]
    trained = {e.training for e in shown}
    assert (planned["train"], planned["detect"]) == (len(trained), len(shown))
    assert planned["table"] == 1
    assert planned["pretrain"] == 2 and "speed" not in planned


@pytest.mark.slow
def test_figure_a1_needs_its_two_trainings_only(clone):
    planned = jobs(snakemake(clone, "--profile", "local", "-n", "figure_a1"))
    assert (planned["data"], planned["train"], planned["figure"]) == (1, 2, 1)
    assert "detect" not in planned


@pytest.mark.slow
def test_claims_train_seeds_that_no_other_target_does(clone):
    done = snakemake(clone, "--profile", "local", "-n", "claims")
    planned = jobs(done)
    # all over three seeds; two rungs and the eight cells of cross-entropy and Seesaw Loss over five
    assert planned["train"] == 3 * len(experiments.load().trainings) + 2 * 10
    assert planned["detect"] == planned["evaluate"] == planned["train"] + 3  # a12 has no training
    assert planned["speed"] == planned["claims"] == 1 and "table" not in planned
    planned = jobs(snakemake(clone, "--profile", "local", "-n", "all"))
    assert planned["train"] == len(experiments.load().trainings) and "claims" not in planned
    done = snakemake(clone, "--profile", "local", "-n", "claims", "--config", "scale=smoke")
    assert done.returncode != 0
    assert not lacks(done.stdout + done.stderr, "configs/claims.yaml", "mini, not smoke")


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


@pytest.mark.slow
def test_a_malformed_row_stops_the_plan_with_its_place(clone):
    path = clone / "configs/experiments.yaml"
    before = path.read_text()
    path.write_text(before.replace("schedule: 2x", "schedule: 3x", 1))
    done = snakemake(clone, "-n", "all")
    path.write_text(before)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert not lacks(said, "configs/experiments.yaml: trainings.a01_mask_rcnn.schedule is '3x'")


@pytest.mark.slow
def test_a_row_without_config_is_not_built_and_not_planned(clone):
    config = clone / "configs/table_a1/a12_test_time_augmentation.py"
    kept = config.read_text()
    config.unlink()
    done = snakemake(clone, "-n", "table_a1")
    config.write_text(kept)
    assert done.returncode == 0
    assert jobs(done)["detect"] == len(experiments.load().place_cells("table_a1")) - 1
