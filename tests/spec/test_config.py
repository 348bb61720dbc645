"""Configs that inherit the same files are read independently of each other."""

import pytest
from facts import lacks, refusal
from mmengine.config import Config

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.spec.config import load, resolve, schedule_of
from seesaw.spec.scales import Scale

RUNG, ABOVE = (paths.CONFIGS / f"table_a1/{n}.py" for n in ("a02_syncbn", "a03_carafe"))


def test_a_config_that_is_changed_leaves_those_that_inherit_it():
    before = load.__wrapped__(ABOVE)
    changed = Config.fromfile(RUNG, import_custom_modules=False)
    changed.model.roi_head.bbox_head.clear()
    changed.model.clear()
    assert load.__wrapped__(ABOVE) == before
    assert Config.fromfile(RUNG, import_custom_modules=False).model.roi_head.bbox_head


@pytest.mark.parametrize(
    "text",
    [
        "_base_ = []\nimport no_such_module\n",
        "_base_ = []\nmodel = [0][1]\n",
        "_base_ = []\nmodel = int('a')\n",
        "_base_ = []\nassert False\n",
        '_base_ = ["./odd.py"]\n',
    ],
)
def test_a_config_that_cannot_be_read_is_named(tmp_path, text):
    path = tmp_path / "odd.py"
    path.write_text(text)
    with pytest.raises(UserError, match=r"odd\.py"):
        load(path)


@pytest.mark.parametrize("text", ["", "schedule = dict(epochs=12)\n"])
def test_a_config_without_a_schedule_is_named(tmp_path, text):
    path = tmp_path / "odd.py"
    path.write_text(f"model = {{}}\n{text}")
    for read in (schedule_of, lambda path: resolve(path, Scale("mini"), register=False)):
        with pytest.raises(UserError, match=r"odd\.py has no schedule\."):
            read(path)


def own(tmp_path, text):
    """A config that inherits the first rung."""
    path = tmp_path / "own.py"
    base = (paths.CONFIGS / "table_a1/a01_mask_rcnn.py").resolve()
    path.write_text(f"_base_ = {str(base)!r}\n{text}\n")
    return path


@pytest.mark.parametrize("of", ["", "_delete_=True, data_root='', ", "_delete_=True, "])
def test_annotations_that_no_scale_can_replace_are_named(tmp_path, of):
    text = f"train_dataloader = dict(dataset=dict({of}ann_file='annotations/own.json'))"
    path = own(tmp_path, text)
    with pytest.raises(UserError, match=r"own\.py: ann_file is 'annotations/own\.json'"):
        resolve(path, Scale("mini"), register=False)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("load_from = 'https://x.org/coco.pth'", ["load_from", "init_from"]),
        ("param_scheduler = [dict(type='CosineAnnealingLR')]", ["param_scheduler", "schedule"]),
        ("train_cfg = dict(max_epochs=6)", ["train_cfg", "schedule"]),
        ("train_dataloader = dict(batch_size=4)", ["train_dataloader.batch_size"]),
        ("optim_wrapper = dict(accumulative_counts=4)", ["accumulative_counts", "batch_size"]),
        (
            "train_dataloader = dict(sampler=dict(type='ClassAwareSampler'))",
            ["train_dataloader.sampler", "ClassBalancedDataset"],
        ),
        (
            "train_dataloader = dict(batch_sampler=dict(type='BatchSampler'))",
            ["train_dataloader.batch_sampler"],
        ),
        ("custom_hooks = [dict(type='EMAHook')]", ["EMAHook"]),
    ],
)
def test_what_a_training_would_pass_over_is_refused(tmp_path, text, facts):
    """mmengine would take it, and the results would be those of another config than they say."""
    path = own(tmp_path, text)
    assert not lacks(refusal(resolve, path, Scale("mini"), register=False), path, *facts)


@pytest.mark.parametrize("length", [0, 1, 2.5])
def test_a_warm_up_that_mmengine_never_ends_is_refused(tmp_path, length):
    path = own(tmp_path, f"schedule = dict(warmup_iters={length})")
    said = refusal(resolve, path, Scale("mini"), register=False)
    assert not lacks(said, path, "warmup_iters", "warmup_start=1.0")


def test_what_a_training_does_anyway_may_be_said(tmp_path):
    text = "load_from = None\noptim_wrapper = dict(accumulative_counts=1)"
    text += "\nschedule = dict(warmup_iters=2)"
    resolve(own(tmp_path, text), Scale("mini"), register=False)


def test_a_config_may_inherit_one_of_mmdets_own_and_drop_what_a_training_sets(tmp_path):
    """It cannot remove what it inherits, and mmdet's evaluator names a path from the root."""
    path = tmp_path / "own.py"
    path.write_text(
        "_base_ = 'mmdet::lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py'\n"
        "batch_size, train_dataloader = 16, dict(batch_size=None)\n"
        "train_cfg = param_scheduler = None\n"
        f"schedule = {schedule_of(RUNG)}\n"
    )
    made = resolve(path, Scale("mini"), register=False)
    assert made.train_dataloader.dataset.dataset.ann_file == "annotations/train.json"
