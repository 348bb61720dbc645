"""A rung that a scale would train as the one above it, or at the paper's length, is refused."""

import pytest
from facts import lacks, refusal
from repository import replace

from seesaw.core import paths
from seesaw.spec.scales import Scale
from seesaw.workflow import dependencies

A01 = "  a01_mask_rcnn:\n    schedule: 2x\n"
WIDER = "model = dict(roi_head=dict(bbox_head=dict(fc_out_channels=2048)))"


def add(name, base, change, after):
    """Add a rung: its config, and its row below the text ``after``."""
    replace(paths.EXPERIMENTS, after, f"{after}  {name}:\n    schedule: 2x\n", 1)
    (paths.CONFIGS / f"table_a1/{name}.py").write_text(f"_base_ = {base!r}\n{change}\n")


def test_a_schedule_of_another_length_needs_one_at_the_scale(tmp_path, monkeypatch):
    """Three times 1x would train for 36 epochs where 2x has 5."""
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    (tmp_path / "own.yaml").write_text(
        "dataset: mini_lvis\nonly: [a01_mask_rcnn]\nset: {epochs: {12: 2.5}}\n"
    )
    assert not lacks(refusal(dependencies.compute, Scale("own")), "own.yaml", "24", "a01_mask_rcnn")


@pytest.mark.parametrize("after", ["trainings:\n", A01])
def test_a_rung_that_a_scale_levels_is_refused(bare, after):
    """Its only change is a value that the scale replaces: it would be the rung above once more."""
    add("wide", "./a01_mask_rcnn.py", WIDER, after)
    said = refusal(dependencies.compute, Scale("smoke"))
    facts = ("smoke.yaml", "wide.py does what", "a01_mask_rcnn.py", "fc_out_channels", "for wide")
    assert not lacks(said, *facts, "set_in", "only")
    with (bare / "configs/scales/smoke.yaml").open("a") as file:
        file.write("set_in: {wide: {fc_channels: 64}}\n")
    made = dependencies.compute(Scale("smoke"))
    assert made["train/wide/seed0"] != made["train/a01_mask_rcnn/seed0"]


def test_a_rung_with_another_backbone_needs_a_stand_in_of_its_own(bare):
    """Nothing under set_in would part it from the rung above."""
    start = "dict(depth=50, init_cfg=dict(checkpoint='torchvision://resnet50'))"
    add("r50", "../figure_a2/mask_rcnn_rfs_ce.py", f"model = dict(backbone={start})", A01)
    said = refusal(dependencies.compute, Scale("smoke"))
    assert not lacks(said, "smoke.yaml", "r50.py", "torchvision://resnet50", "backbones")
    replace(paths.SCALES / "smoke.yaml", "name: resnet18", "name: resnet18_of_r50", 1)
    made = dependencies.compute(Scale("smoke"))
    assert made["train/r50/seed0"] != made["train/mask_rcnn_rfs_ce/seed0"]


def test_a_rung_that_differs_in_what_a_machine_does_is_no_levelled_one(bare):
    add("big", "./a01_mask_rcnn.py", "train_dataloader = dict(num_workers=8)", A01)
    dependencies.compute(Scale("paper"))
