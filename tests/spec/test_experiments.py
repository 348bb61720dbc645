"""The experiment table: complete, open to new rows, and clear about malformed ones."""

import re
import shutil

import pytest

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.results.tables.collect import collect
from seesaw.spec import datasets, experiments, paper, zoo
from seesaw.spec.scales import Scale

TABLE = experiments.load()
ROW = "  a01_mask_rcnn:\n    schedule: 2x\n    seeds: [0]\n"
TEXT = paths.EXPERIMENTS.read_text()
TWICE = TEXT[: TEXT.index(ROW)].count("\n") + ROW.count("\n") + 1  # where a copy of ROW begins
CELL = "    cell: {table_a1: Mask R-CNN}\n"


def message(path):
    """The one sentence about a malformed file."""
    with pytest.raises(UserError) as error:
        experiments.load(path)
    text = str(error.value)
    assert text.startswith(str(path)) and text[-1] in ".?" and "\n" not in text
    return text.removeprefix(str(path)).lstrip(": ")


@pytest.fixture
def edited(tmp_path):
    """The table with one text replaced by another."""

    def edit(old, new):
        text = paths.EXPERIMENTS.read_text()
        assert text.count(old) >= 1
        path = tmp_path / "experiments.yaml"
        path.write_text(text.replace(old, new, 1))
        return path

    return edit


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            ROW,
            ROW + "    sheduler: 2x\n",
            "trainings.a01_mask_rcnn.sheduler is no known key",
        ),
        (
            ROW,
            ROW.replace("    schedule: 2x\n", ""),
            "trainings.a01_mask_rcnn.schedule is missing",
        ),
        (
            ROW,
            ROW.replace("2x", "3x"),
            "trainings.a01_mask_rcnn.schedule is '3x', but input should be '1x', '2x' or '45e'",
        ),
        (
            ROW,
            ROW.replace("[0]", "[0, 0]"),
            "trainings.a01_mask_rcnn.seeds is [0, 0], but seeds are distinct",
        ),
        (
            ROW,
            ROW.replace("[0]", "[-1]"),
            "trainings.a01_mask_rcnn.seeds is [-1], but seeds are ",
        ),
        (ROW, ROW.replace("[0]", "[]"), "trainings.a01_mask_rcnn.seeds is [], but list should"),
        (ROW, ROW.replace("[0]", "first"), "trainings.a01_mask_rcnn.seeds is 'first', but input"),
        (ROW + CELL, "  a01_mask_rcnn: 2x\n", "trainings.a01_mask_rcnn is '2x', but input should"),
        (
            "  a01_mask_rcnn:\n",
            "  A01:\n",
            "trainings.A01.id is 'A01', but string should match pattern",
        ),
        (
            "init_from: a10_seesaw",
            "init_from: a10",
            "init_from of a11_dual_head names the unknown training 'a10'; did you mean ",
        ),
        (
            "init_from: a10_seesaw",
            "init_from: a11_dual_head",
            "init_from of a11_dual_head must ",
        ),
        (
            "    schedule: 1x\n    seeds: [0]\n    init_from",
            "    schedule: 1x\n    seeds: [0, 7]\n    init_from",
            "a11_dual_head has seed 7, which a10_seesaw lacks",
        ),
        (
            "cell: {table_a1: Mask R-CNN}",
            "cell: {table_a9: Mask R-CNN}",
            "the cell 'Mask R-CNN' names the unknown place 'table_a9'; did you mean ",
        ),
        (
            "    evaluation: a12_test_time_augmentation\n",
            "    evaluation: a13\n",
            "the cell '+ Test-time augmentation' names the unknown evaluation 'a13'; did you mean ",
        ),
        (
            "    training: a11_dual_head\n",
            "    training: a13\n",
            "evaluation a12_test_time_augmentation names the unknown training 'a13'; did you mean ",
        ),
        (
            "    split: val\n",
            "    split: train\n",
            "evaluations.a12_test_time_augmentation.split is 'train', but input should be 'val'",
        ),
        (
            "evaluations:\n  a12_test_time_augmentation:\n",
            "evaluations:\n  a02_syncbn:\n",
            "evaluation a02_syncbn repeats a training's own",
        ),
        ("columns: [schedule, AP,", "columns: [schedule, APP,", "places.table_a1.columns.1 is"),
        (ROW, ROW + ROW, f"line {TWICE}: a01_mask_rcnn stands here twice"),
        ("trainings:\n", "trainings: [\n", "line "),
        ("trainings:\n", "training:\n", "trainings is missing"),
    ],
)
def test_a_malformed_row_gets_one_sentence(edited, old, new, said):
    """File, row, value, fix."""
    assert message(edited(old, new)).startswith(said)


def test_a_missing_or_empty_table_gets_one_sentence(tmp_path):
    path = tmp_path / "experiments.yaml"
    assert message(path).startswith("is missing; ")
    path.write_text("")
    assert message(path).startswith("holds no mapping; ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zzz", "the training 'zzz' is unknown; use one of a01_mask_rcnn, "),
        ("a1", "the training 'a1' is not unique; use one of a10_seesaw, a11_dual_head"),
        ("mask_rcnn_r", "the training 'mask_rcnn_r' is not unique; use one of mask_rcnn_random_ce"),
    ],
)
def test_a_name_that_is_not_one_experiment(name, said):
    with pytest.raises(UserError, match=re.escape(said)):
        TABLE.training(name)


def test_a_unique_prefix_is_enough():
    assert TABLE.training("a01").id == "a01_mask_rcnn"
    assert TABLE.evaluation("a12").training == "a11_dual_head"
    assert TABLE.training("mask_rcnn_random_ce").id == "mask_rcnn_random_ce"
    assert TABLE.place_id("table_a2") == "table_a2"


def test_all_of_the_paper_is_listed():
    """12 rungs of A1, 3 rows of A2, 16 cells of Figure A2, two of which serve Figure A1."""
    values = paper.load()
    rows = {
        place: [c.evaluation for c in TABLE.place_cells(place) if values.row(c.evaluation)]
        for place in TABLE.places
    }
    assert [e[:3] for e in rows["table_a1"]] == [f"a{i:02}" for i in range(1, 13)]
    assert [e[:3] for e in rows["table_a2"]] == ["b01", "b02", "b03"]
    assert rows["figure_a2"] == [
        f"{framework}_{sampler}_{loss}"
        for framework in ("mask_rcnn", "cascade")
        for sampler in ("random", "rfs")
        for loss in ("ce", "eql", "bags", "seesaw")
    ]
    assert rows["figure_a1"] == ["mask_rcnn_random_ce", "mask_rcnn_random_seesaw"]
    assert all(training.seeds for training in TABLE.trainings.values())
    schedules = [TABLE.trainings[e].schedule for e in rows["table_a1"][:11]]
    assert schedules == ["2x"] * 6 + ["45e"] * 4 + ["1x"]
    for place in ("table_a1", "table_a2", "figure_a2"):
        assert list(getattr(values, place)) == rows[place]


def test_every_config_file_is_in_the_table_or_the_zoo():
    named = {e.config_path for e in TABLE.evaluations.values()}
    named |= {m.evaluation.config_path for m in zoo.load().models.values()}
    assert set(paths.CONFIGS.glob("[!_]*/*.py")) == named - {None}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A copy of configs/ that everything reads from."""
    shutil.copytree(paths.CONFIGS, tmp_path / "configs")
    for name in ("CONFIGS", "EXPERIMENTS", "DATASETS", "SCALES", "PAPER_VALUES"):
        copied = tmp_path / getattr(paths, name).relative_to(paths.ROOT)
        monkeypatch.setattr(paths, name, copied)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path


NEW = "trainings:\n  c01_mine:\n    schedule: 2x\n    cell: {table_a1: + My rung}\n"


def test_a_rung_is_one_row_and_one_file(root):
    paths.EXPERIMENTS.write_text(paths.EXPERIMENTS.read_text().replace("trainings:\n", NEW, 1))
    table = experiments.load()
    assert "c01_mine" in table.evaluations and not table.built("c01_mine")
    (root / "configs" / "mine").mkdir()
    config = root / "configs" / "mine" / "c01_mine.py"
    config.write_text("_base_ = '../table_a1/a01_mask_rcnn.py'\n")
    table = experiments.load()
    assert table.built("c01_mine") and table.training("c01").config == config
    made = collect("table_a1", table, Scale("mini"))
    assert [row.label for row in made.rows].count("+ My rung") == 1


def test_two_files_of_one_id_are_refused(root):
    (root / "configs" / "mine").mkdir()
    (root / "configs" / "mine" / "a01_mask_rcnn.py").write_text("")
    with pytest.raises(UserError, match="share one id; rename one of them"):
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
    with pytest.raises(
        UserError, match=r"x\.yaml: the training 'a01' is unknown; did you mean a10"
    ):
        part.training("a01")
    with pytest.raises(
        UserError, match=r"x\.yaml: only: a11_dual_head starts from a10_seesaw; add"
    ):
        TABLE.only(["a11_dual_head"], path)
    with pytest.raises(UserError, match=r"x\.yaml: only: 'a99' is no training; did you mean a09_"):
        TABLE.only(["a99"], path)


def test_unknown_scale_and_misspelt_overlay(root):
    with pytest.raises(
        UserError, match="the scale 'tiny' is unknown; use one of mini, paper, single"
    ):
        Scale("tiny")
    mini = root / "configs" / "scales" / "mini.yaml"
    mini.write_text(mini.read_text().replace("\nset:", "\nsets:"))
    with pytest.raises(UserError, match=r"mini\.yaml: sets is no known key; remove it"):
        Scale("mini")


def test_dataset_entries(root):
    with pytest.raises(UserError, match=r"the dataset 'coco' is neither an entry nor a folder"):
        datasets.load("coco")
    paths.DATASETS.write_text("datasets:\n  mine:\n    root: data/mine\n    train: a.json\n")
    with pytest.raises(UserError, match=r"datasets\.yaml: val is missing; add it\."):
        datasets.load("mine")
    paths.DATASETS.write_text("datasets:\n  mine:\n")
    with pytest.raises(UserError, match=r"datasets\.yaml: root is missing; add it"):
        datasets.load("mine")
    folder = root / "folder"
    (folder / "annotations").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds 0 files named \*train\*\.json, not one; give the"):
        datasets.load(str(folder))
    for name in ("lvis_v1_train", "lvis_v1_val"):
        (folder / "annotations" / f"{name}.json").write_text("{}")
    entry = datasets.load(str(folder))
    assert (entry.name, entry.train) == ("folder", "annotations/lvis_v1_train.json")
    assert entry.test_dev is None
