"""The workflow's jobs as data, against the rules themselves, and which of them are finished."""

import csv
import dataclasses
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from repository import python, replace
from traces import A01, DATA, DETECT, EVALUATE, NOW, make, make_data, write

from seesaw.core.hashing import cached_json
from seesaw.errors import UserError
from seesaw.spec.scales import Scale
from seesaw.workflow import dependencies
from seesaw.workflow.jobs import finished, snakemake_record, workflow


def rules(jobs):
    return Counter(job.rule for job in jobs.values())


def of_cells(table, place):
    """Jobs of a place's cells by rule, counted from the experiment table."""
    shown = {cell.evaluation for cell in table.place_cells(place)}
    trained = {table.evaluations[name].training for name in shown}
    scored = sum(len(table.seeds(name)) for name in shown)
    runs = sum(len(table.trainings[name].seeds) for name in trained)
    return {"train": runs, "detect": scored, "evaluate": scored, "table": 1}


def test_the_jobs_of_targets(graph):
    table, before = graph.scale.table, {"download": 2, "data": 1}
    assert rules(graph.select("table_a1")) == before | of_cells(table, "table_a1")
    assert rules(graph.select("figure_a2")) == before | of_cells(table, "figure_a2") | {"figure": 1}
    assert list(graph.select("figure_a1")) == [
        *DATA,
        "train/mask_rcnn_random_ce/seed0",
        "train/mask_rcnn_random_seesaw/seed0",
        "figure/figure_a1",
    ]
    assert list(graph.select("figure_a3")) == ["figure/figure_a3"]
    drawn = rules(graph.select("error_analysis"))
    assert drawn["errors"] == len(table.place_cells("error_analysis"))
    assert rules(graph.select("submission")) == before | {"train": 2, "detect": 1, "submit": 1}
    rungs = {"train": 2, "detect": 1, "evaluate": 1}  # a11 goes on from a10
    assert rules(graph.select("a11")) == before | rungs
    with pytest.raises(UserError, match="'a99'"):
        graph.select("a99")


def test_each_job_stands_after_those_that_it_needs(paper):
    seen = set()
    for job in paper[2].values():
        assert seen.issuperset(job.needs)
        seen.add(job.id)


def test_a_rung_that_is_not_built_is_no_job(clone):
    (clone / "configs/table_a1/a10_seesaw.py").unlink()
    graph = workflow(Scale("paper"))
    assert not [i for i in graph.every if "a10" in i or "a11" in i or "a12" in i]
    for rung in ("a10_seesaw", "a11_dual_head", "a12_test_time_augmentation"):
        with pytest.raises(UserError, match=r"configs/\*/a10_seesaw\.py is missing"):
            graph.select(rung)


def test_stand_ins_are_trained_first(clone):
    graph = workflow(Scale("mini"))
    assert graph.every[A01].needs == ("data", "pretrain/resnet18")
    assert [i for i in graph.select("a01") if "pretrain" in i] == ["pretrain/resnet18"]
    chosen = graph.select("a09_stronger_backbone")
    assert [i for i in chosen if "pretrain" in i] == ["pretrain/resnest50"]


def test_a_new_rule_needs_no_other_edit(clone):
    rule = """
rule again:
    input:
        str(SCALE.speed),
    output:
        f"{RESULTS}/again.json",
    log:
        f"{LOGS}/again.log",
    params:
        fingerprint=FINGERPRINTS["code/seesaw.evaluation.speed"],
    shell:
        "cp {input} {output}"
"""
    path = clone / "workflow/rules/evaluate.smk"
    path.write_text(path.read_text() + rule)
    graph = workflow(Scale("paper"))
    job = graph.every["again"]
    assert (job.needs, job.key) == (("speed",), "code/seesaw.evaluation.speed")
    assert job.outputs == (Path("results/paper/again.json"),)
    assert list(graph.select("again"))[-2:] == ["speed", "again"]


@pytest.mark.parametrize(("column", "timed"), [("fps", True), ("AP_box", False)])
def test_a_table_of_ones_own_waits_for_the_speeds_that_it_shows(clone, column, timed):
    path = clone / "configs/experiments.yaml"
    place = f"  mine: {{title: Mine, heading: Row, columns: [AP, {column}]}}\n"
    replace(path, "places:\n", f"places:\n{place}", 1)
    replace(path, "{table_a2: HTC-Lite}", "{table_a2: HTC-Lite, mine: HTC-Lite}")
    graph = workflow(Scale("paper"))
    assert list(graph.select("mine"))[-1] == "table/mine"
    assert graph.command("mine") == "snakemake --profile slurm mine"
    assert ("speed" in graph.select("mine")) is timed
    with pytest.raises(UserError, match="none of its experiments stands in mine"):
        workflow(Scale("single_gpu")).target("mine")


def test_a_rule_that_snakemake_refuses_is_reported(clone):
    path = clone / "workflow/rules/evaluate.smk"
    replace(path, "models=speed_models", "models='nowhere.pth'")
    with pytest.raises(UserError, match=r"rule speed\b.* nowhere\.pth"):
        workflow(Scale("paper"))


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


def test_a_table_with_an_edited_label_is_not_finished(paper):
    job = dataclasses.replace(paper[2]["table/table_a2"], needs=())
    make(job)
    older = [text.replace("HTC-Lite", "HTC") for text in job.shown]
    for shown, done in ((job.shown, {job.id}), (older, set())):
        kept = snakemake_record("metadata", job.outputs[0])
        write(kept, json.dumps({"params": ["'t1'", *shown]}))
        assert finished({job.id: job}, {"table": "t1"}) == done
        assert finished({job.id: job}, None) == done


def test_snakemake_names_its_records_by_the_path():
    # as Snakemake 9 wrote it
    name = "cmVzdWx0cy9taW5pL2EwM19jYXJhZmUvc2VlZDAvbW9kZWwucHRo"
    path = snakemake_record("incomplete", Path("results/mini/a03_carafe/seed0/model.pth"))
    assert path == Path(".snakemake/incomplete") / name
    *_, folder, file = snakemake_record("incomplete", Path("r" * 200)).parts
    assert (folder, file) == ("@" + "cnJy" * 63 + "cn", "JycnJycnJycnI=")


def test_fingerprints_are_known_while_no_file_has_changed(clone):
    scale, path = Scale("paper"), clone / "configs/experiments.yaml"
    assert dependencies.known(scale) is None
    cached_json(dependencies.sources(scale), dependencies.cache(scale), lambda: {"data": "d"})
    assert dependencies.known(scale) == {"data": "d"}
    before = path.read_text()
    path.write_text(before + "# more\n")
    assert dependencies.known(scale) is None
    path.write_text(before)
    lock = write("requirements.lock")  # of another mmdet, whose configs ours inherit
    assert dependencies.known(scale) is None
    lock.unlink()
    assert dependencies.known(scale) == {"data": "d"}
    write(".cache/fingerprints/paper.json", '{"keys"')
    assert dependencies.known(scale) is None


def test_a_config_that_nobody_can_read_is_named_by_the_process_that_resolves_it(clone):
    write("configs/table_a1/a11_dual_head.py", "_base_ = './a10_seesaw.py'\nmodel = no_such_name\n")
    with pytest.raises(UserError, match=r"^configs/table_a1/a11_dual_head\.py cannot be read"):
        dependencies.cached(Scale("paper"))


@pytest.mark.slow
def test_what_is_finished_snakemake_does_not_make_again(clone, graph):
    jobs, done = graph.every, [*DATA, A01, DETECT, EVALUATE]
    for age, job in enumerate(done):
        make(jobs[job])
        for path in jobs[job].outputs:
            os.utime(path, (NOW - 4e8 + age, NOW - 4e8 + age))
    words = ("--profile", "slurm", "--cores", 1, "-D", "all")
    output = python(clone, "-m", "snakemake", *words).stdout
    rows = csv.DictReader(output[output.index("output_file\t") :].splitlines(), delimiter="\t")
    theirs = {row["output_file"] for row in rows if row["plan"] == "update pending"}
    left = graph.select("all").keys() - finished(jobs, None)
    assert {str(path) for i in left for path in jobs[i].outputs} == theirs
    assert not left.intersection(done)
