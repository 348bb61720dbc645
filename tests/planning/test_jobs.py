"""The workflow's jobs as data, against the rules themselves, and which of them are finished."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from traces import DATA, NOW, make, make_data, write

from seesaw import experiments
from seesaw.errors import UserError
from seesaw.planning.jobs import (
    finished,
    known_fingerprints,
    select,
    snakemake_command,
    snakemake_record,
    workflow,
)
from seesaw.scales import Scale

A01 = "train/a01_mask_rcnn/seed0"
DETECT, EVALUATE = (f"{rule}/a01_mask_rcnn/seed0/a01_mask_rcnn" for rule in ("detect", "evaluate"))


def rules(jobs):
    return Counter(job.rule for job in jobs.values())


def test_the_jobs_of_targets(paper):
    table, scale, jobs = paper
    assert rules(select(jobs, table, scale, "table_a1")) == {
        "download": 2, "data": 1, "train": 11, "detect": 12, "evaluate": 12, "table": 1,
    }  # fmt: skip
    assert rules(select(jobs, table, scale, "figure_a2")) == {
        "download": 2, "data": 1, "train": 16, "detect": 16, "evaluate": 16, "table": 1,
        "figure": 1,
    }  # fmt: skip
    assert list(select(jobs, table, scale, "figure_a1")) == [
        *DATA,
        "train/mask_rcnn_random_ce/seed0",
        "train/mask_rcnn_random_seesaw/seed0",
        "figure/figure_a1",
    ]
    assert list(select(jobs, table, scale, "figure_a3")) == ["figure/figure_a3"]
    assert rules(select(jobs, table, scale, "submission")) == {
        "download": 2, "data": 1, "train": 2, "detect": 1, "submit": 1,
    }  # fmt: skip
    assert list(select(jobs, table, scale, "a11")) == [
        "download/lvis_v1",
        "download/pretrained",
        "data",
        "train/a10_seesaw/seed0",
        "train/a11_dual_head/seed0",
        "detect/a11_dual_head/seed0/a11_dual_head",
        "evaluate/a11_dual_head/seed0/a11_dual_head",
    ]
    with pytest.raises(UserError, match="the evaluation 'a99' is unknown"):
        select(jobs, table, scale, "a99")


def test_each_job_stands_after_those_that_it_needs(paper):
    seen = set()
    for job in paper[2].values():
        assert seen.issuperset(job.needs)
        seen.add(job.id)


def test_a_rung_that_is_not_built_is_no_job(clone):
    (clone / "configs/table_a1/a10_seesaw.py").unlink()
    table, scale = experiments.load(), Scale("paper")
    jobs = workflow(table, scale, {})
    assert not [i for i in jobs if "a10" in i or "a11" in i or "a12" in i]
    with pytest.raises(UserError, match="this rung is not built"):
        select(jobs, table, scale, "a11_dual_head")


def test_stand_ins_are_trained_first(clone):
    table, scale = experiments.load(), Scale("mini")
    jobs = workflow(table, scale, {"a01_mask_rcnn": "resnet18"})
    assert jobs[A01].needs == ("data", "pretrain/resnet18")
    assert "pretrain/resnet18" in select(jobs, table, scale, "a01")
    assert "pretrain/resnet18" not in select(jobs, table, scale, "a02")


def test_finished_is_present_current_and_of_finished_inputs(paper):
    jobs = paper[2]
    assert finished(jobs, {}) == set()
    make(jobs[A01], fingerprint="f1")
    assert finished(jobs, None) == set()  # the data is not there
    make_data(jobs)
    assert finished(jobs, None) == {*DATA, A01}
    assert finished(jobs, {A01: "f1"}) == {*DATA, A01}
    assert finished(jobs, {A01: "f2"}) == {*DATA}


def test_half_of_the_outputs_is_not_finished(paper):
    jobs = paper[2]
    for job in (*DATA, A01, DETECT, EVALUATE):
        make(jobs[job])
    assert EVALUATE in finished(jobs, None)
    jobs[EVALUATE].outputs[1].unlink()
    assert finished(jobs, None) == {*DATA, A01, DETECT}


def test_detections_of_older_weights_are_not_finished(paper):
    jobs = paper[2]
    for job in (*DATA, A01):
        make(jobs[job], digest="old")
    weights = {"weights": {"path": str(jobs[A01].outputs[0]), "sha256": "old"}}
    make(jobs[DETECT], inputs=weights)
    assert DETECT in finished(jobs, None)
    make(jobs[A01], digest="new")
    assert finished(jobs, None) == {*DATA, A01}


def test_snakemakes_records_count(paper):
    jobs = paper[2]
    for job in (*DATA, A01, DETECT):
        make(jobs[job])
    kept = snakemake_record("metadata", jobs[DETECT].outputs[0])
    write(kept, json.dumps({"params": ["'--scale paper'", "'c1'"]}))
    key = "detect/a01_mask_rcnn"
    assert DETECT in finished(jobs, {key: "c1"})
    assert DETECT not in finished(jobs, {key: "c2"})
    write(snakemake_record("incomplete", jobs[DETECT].outputs[0]), "{}")
    assert DETECT not in finished(jobs, {key: "c1"})


def test_snakemake_names_its_records_by_the_path():
    # as Snakemake 9 wrote it
    name = "cmVzdWx0cy9taW5pL2EwM19jYXJhZmUvc2VlZDAvbW9kZWwucHRo"
    path = snakemake_record("incomplete", Path("results/mini/a03_carafe/seed0/model.pth"))
    assert path == Path(".snakemake/incomplete") / name


def test_fingerprints_are_known_while_no_file_has_changed(clone):
    scale = Scale("paper")
    assert known_fingerprints(scale) is None
    from seesaw.fingerprint import cached_json

    key = clone / "configs/experiments.yaml"
    cached_json([key], Path(".cache/fingerprints/paper.json"), lambda: {"data": "d"})
    assert known_fingerprints(scale) == {"data": "d"}
    key.write_text(key.read_text() + "# more\n")
    assert known_fingerprints(scale) is None
    write(".cache/fingerprints/paper.json", '{"keys"')
    assert known_fingerprints(scale) is None


def test_commands(clone):
    assert snakemake_command(Scale("paper"), "all") == "snakemake --profile slurm all"
    told = snakemake_command(Scale("mini"), "all", slurm=True)
    assert told == "snakemake --profile slurm all --config scale=mini"
    assert snakemake_command(Scale("mini"), "all") == "snakemake --profile local all"
    said = snakemake_command(Scale("smoke", "mini_lvis"), "all")
    assert said == "snakemake --profile local all --config scale=smoke dataset=mini_lvis"


def pending(root, target="all"):
    """Every file that Snakemake would make for a target at paper scale, and all it looked at."""
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--cores", "1"]
    done = subprocess.run([*command, "-D", target], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    text = done.stdout[done.stdout.index("output_file\t") :]
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    every = {row["output_file"] for row in rows}
    return {row["output_file"] for row in rows if row["plan"] == "update pending"}, every


@pytest.mark.slow
def test_plan_and_snakemake_agree_job_by_job(rules):

    def ours():
        known = known_fingerprints(scale)
        jobs = workflow(table, scale, known["backbones"])
        left = select(jobs, table, scale, "all").keys() - finished(jobs, known)
        return {str(path) for i in left for path in jobs[i].outputs}, jobs, known

    theirs, every = pending(rules)
    table, scale = experiments.load(), Scale("paper")
    mine, jobs, known = ours()
    assert mine == theirs == every
    # a01 is finished up to its metrics
    for age, job in enumerate([*DATA, A01, DETECT, EVALUATE]):
        make(jobs[job], fingerprint=known[A01] if job == A01 else None)
        for path in jobs[job].outputs:
            os.utime(path, (NOW - 4e8 + age, NOW - 4e8 + age))
    theirs, _ = pending(rules)
    mine, *_ = ours()
    assert (
        mine
        == theirs
        == every
        - {str(path) for job in (*DATA, A01, DETECT, EVALUATE) for path in jobs[job].outputs}
    )
