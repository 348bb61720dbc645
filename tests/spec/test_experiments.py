"""The experiment table: complete, open to new rows, and clear about malformed ones."""

import shutil

import pytest
from facts import lacks, refusal
from pydantic import ValidationError
from repository import replace

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.results.tables.collect import collect
from seesaw.results.tables.layout import heading
from seesaw.spec import datasets, experiments, site, zoo
from seesaw.spec.scales import Scale

TABLE = experiments.load()
ROW = "  a01_mask_rcnn:\n    schedule: 2x\n    seeds: [0]\n"
TEXT = paths.EXPERIMENTS.read_text()
TWICE = TEXT[: TEXT.index(ROW)].count("\n") + ROW.count("\n") + 1  # where a copy of ROW begins
CELL = "    cell: {table_a1: Mask R-CNN}\n"


def message(path):
    """The one sentence about a malformed file."""
    text = refusal(experiments.load, path)
    assert text.startswith(str(path)) and text[-1] in ".?"
    return text.removeprefix(str(path)).lstrip(": ")


@pytest.fixture
def edited(tmp_path):
    """The table with one text replaced by another."""

    def edit(old, new):
        path = shutil.copy(paths.EXPERIMENTS, tmp_path / "experiments.yaml")
        replace(path, old, new, 1)
        return path

    return edit


A01 = "trainings.a01_mask_rcnn"


@pytest.mark.parametrize(
    ("old", "new", "facts"),
    [
        (ROW, ROW + "    sheduler: 2x\n", [f"{A01}.sheduler"]),
        (ROW, ROW + "    id: a02_syncbn\n", [f"{A01}.id", "named a01_mask_rcnn"]),
        (ROW, ROW.replace("    schedule: 2x\n", ""), [f"{A01}.schedule", "missing"]),
        (ROW, ROW.replace("2x", "3x"), [f"{A01}.schedule", "'3x'", "'1x'", "'2x'", "'45e'"]),
        (ROW, ROW.replace("[0]", "[0, 0]"), [f"{A01}.seeds", "[0, 0]", "distinct"]),
        (ROW, ROW.replace("[0]", "[-1]"), [f"{A01}.seeds", "[-1]"]),
        (ROW, ROW.replace("[0]", "[]"), [f"{A01}.seeds", "[]"]),
        (ROW, ROW.replace("[0]", "first"), [f"{A01}.seeds", "'first'"]),
        (ROW + CELL, "  a01_mask_rcnn: 2x\n", [A01, "'2x'"]),
        ("  a01_mask_rcnn:\n", "  A01:\n", ["trainings.A01", "'A01'"]),
        ("  a01_mask_rcnn:\n", "  zoo_mine:\n", ["zoo_mine", "zoo.yaml"]),
        (
            "init_from: a10_seesaw",
            "init_from: a10",
            ["init_from", "a11_dual_head", "'a10'", "a10_seesaw"],
        ),
        ("init_from: a10_seesaw", "init_from: a11_dual_head", ["init_from", "not a11_dual_head"]),
        (
            "    schedule: 1x\n    seeds: [0]\n    init_from",
            "    schedule: 1x\n    seeds: [0, 7]\n    init_from",
            ["a11_dual_head", "seed 7", "a10_seesaw"],
        ),
        (
            "cell: {table_a1: Mask R-CNN}",
            "cell: {table_a9: Mask R-CNN}",
            ["'Mask R-CNN'", "'table_a9'", "table_a1"],
        ),
        (
            "    evaluation: a12_test_time_augmentation\n",
            "    evaluation: a13\n",
            ["'+ Test-time augmentation'", "evaluation 'a13'", "a12_"],
        ),
        (
            "    training: a11_dual_head\n",
            "    training: a13\n",
            ["a12_test_time_augmentation", "training 'a13'", "a11_"],
        ),
        (
            "evaluations:\n  a12_test_time_augmentation:\n",
            "evaluations:\n  a02_syncbn:\n",
            ["evaluation a02_syncbn"],
        ),
        ("columns: [schedule, AP,", "columns: [schedule, APP,", ["places.table_a1.columns.1"]),
        (
            "columns: [schedule, AP, AP_r, AP_c, AP_f,",
            "columns: [fps, AP,",
            ["cell 'Mask R-CNN'", "table_a1", "fps", "table_a2"],
        ),
        (
            "AP_f, AP_box]\n    increments",
            "AP_f]\n    increments",
            ["places.table_a1", "AP_box", "columns"],
        ),
        (ROW, ROW + ROW, [f"line {TWICE}", "a01_mask_rcnn", "twice"]),
        ("trainings:\n", "trainings: [\n", ["line "]),
        ("trainings:\n", "training:\n", ["trainings", "missing"]),
    ],
)
def test_a_malformed_row_gets_one_sentence(edited, old, new, facts):
    """File, row, value, fix."""
    assert not lacks(message(edited(old, new)), *facts)


def test_a_missing_or_empty_table_gets_one_sentence(tmp_path):
    path = tmp_path / "experiments.yaml"
    assert "missing" in message(path)
    path.write_text("")
    assert "no mapping" in message(path)


def test_every_config_file_is_in_the_table_or_the_zoo():
    named = {e.config_path for e in TABLE.evaluations.values()}
    named |= {m.evaluation.config_path for m in zoo.load().models.values()}
    assert set(paths.CONFIGS.glob("[!_]*/*.py")) == named - {None}


NEW = "trainings:\n  c01_mine:\n    schedule: 2x\n    cell: {table_a1: + My rung}\n"


def test_a_rung_is_one_row_and_one_file(bare):
    replace(paths.EXPERIMENTS, "trainings:\n", NEW, 1)
    table = experiments.load()
    assert "c01_mine" in table.evaluations and not table.built("c01_mine")
    config = paths.CONFIGS / "mine/c01_mine.py"
    config.parent.mkdir()
    config.write_text("_base_ = '../table_a1/a01_mask_rcnn.py'\n")
    table = experiments.load()
    assert table.built("c01_mine") and table.training("c01").config == config
    made = collect("table_a1", Scale("mini"))
    assert [row.label for row in made.rows].count("+ My rung") == 1


def test_two_files_of_one_id_are_refused(bare):
    (bare / "configs" / "mine").mkdir()
    (bare / "configs" / "mine" / "a01_mask_rcnn.py").write_text("")
    with pytest.raises(UserError, match=r"mine/a01_mask_rcnn\.py"):
        experiments.load().built("a01_mask_rcnn")


def test_a_scale_for_some_experiments_only():
    path = paths.SCALES / "x.yaml"
    part = TABLE.only(["a10_seesaw", "a11_dual_head"], path)
    assert list(part.trainings) == ["a10_seesaw", "a11_dual_head"]
    assert list(part.evaluations) == [*part.trainings, "a12_test_time_augmentation", "test_dev_a12"]
    assert [c.label for c in part.cells if c.place == "table_a1"] == [
        "+ Seesaw Loss",
        "+ Dual Head Classification",
        "+ Test-time augmentation",
    ]
    for refused, facts in (
        (lambda: part.training("a01"), ["'a01'", "a10_seesaw"]),
        (lambda: TABLE.only(["a11_dual_head"], path), ["only: a11_dual_head", "a10_seesaw"]),
        (lambda: TABLE.only(["a99"], path), ["only: 'a99'", "a09_"]),
    ):
        assert not lacks(refusal(refused), "x.yaml", *facts)


def test_a_scale_is_one_file(bare):
    path = paths.SCALES / "tiny.yaml"
    path.write_text("like: mini\ndataset: mini_lvis\nonly: [a01_mask_rcnn]\n")
    scale = Scale("tiny")
    made = collect("table_a1", scale)
    assert [row.id for row in made.rows] == ["a01_mask_rcnn"] and "tiny" in heading(made)
    assert site.Site(gpus={"tiny": 2}).gpus["tiny"] == 2
    path.unlink()
    with pytest.raises(ValidationError, match="tiny is no scale"):
        site.Site(gpus={"tiny": 2})


def test_unknown_scale_and_misspelt_overlay(bare):
    with pytest.raises(UserError, match=r"'tiny'.* mini, paper, single"):
        Scale("tiny")
    replace(paths.SCALES / "mini.yaml", "\nset:", "\nsets:")
    with pytest.raises(UserError, match=r"mini\.yaml: sets\b"):
        Scale("mini")


def test_dataset_entries(bare):
    row = "datasets:\n  mine:\n"
    for text, key in ((row + "    root: data/mine\n    train: a.json\n", "val"), (row, "root")):
        paths.DATASETS.write_text(text)
        with pytest.raises(UserError, match=rf"datasets\.yaml: datasets\.mine\.{key} .*missing"):
            datasets.load("mine")
    folder = bare / "folder"
    (folder / "annotations").mkdir(parents=True)
    with pytest.raises(UserError, match=r"0 files .*\*train\*\.json"):
        datasets.load(str(folder))
    for name in ("lvis_v1_train", "lvis_v1_val"):
        (folder / "annotations" / f"{name}.json").write_text("{}")
    entry = datasets.load(str(folder))
    assert (entry.name, entry.train) == ("folder", "annotations/lvis_v1_train.json")
    assert entry.test_dev is None
