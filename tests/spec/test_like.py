"""A scale that is ``like`` another shares what it does not give."""

import shutil

import pytest

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.spec import experiments
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale


def test_a_scale_shares_what_it_does_not_set_with_the_one_it_is_like(tmp_path, monkeypatch):
    mini, demo = Scale("mini").overlay, Scale("demo").overlay
    assert demo.set == mini.set and demo.dataset == mini.dataset
    assert demo.only and mini.only is None
    assert demo.backbones.keys() < mini.backbones.keys()
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    (tmp_path / "mini.yaml").write_text("dataset: mini_lvis\n")
    (tmp_path / "own.yaml").write_text("like: mni\n")
    with pytest.raises(UserError, match=r"own\.yaml: like: 'mni' is no scale.*mini"):
        Scale("own")
    (tmp_path / "own.yaml").write_text("like: like_mini\n")
    (tmp_path / "like_mini.yaml").write_text("like: mini\n")
    assert Scale("own").overlay.dataset == "mini_lvis"


def test_a_scale_that_changes_one_setting_keeps_the_others(tmp_path, monkeypatch):
    """Without them it would train at the paper's sizes."""
    mini = Scale("mini").overlay
    shutil.copy(paths.SCALES / "mini.yaml", tmp_path)
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    rows = "mask_rcnn_rfs_ce: {rois_per_image: 8}, a02_syncbn: {learning_rate: 0.01}"
    (tmp_path / "own.yaml").write_text(
        f"like: mini\nset: {{epochs: {{12: 1}}, channels: 16}}\nset_in: {{{rows}}}\n"
    )
    own = Scale("own").overlay
    assert own.set == mini.set | {"channels": 16, "epochs": mini.set["epochs"] | {12: 1}}
    assert own.set_in == mini.set_in | {
        "mask_rcnn_rfs_ce": {"learning_rate": 0.01, "rois_per_image": 8},
        "a02_syncbn": {"learning_rate": 0.01},
    }


def test_a_scale_that_changes_one_number_of_pretraining_keeps_the_others(tmp_path, monkeypatch):
    """Each has to be there: pre-training has no sizes of its own."""
    shutil.copy(paths.SCALES / "mini.yaml", tmp_path)
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    (tmp_path / "own.yaml").write_text("like: mini\npretrain: {iterations: 100}\n")
    assert Scale("own").overlay.pretrain == Scale("mini").overlay.pretrain | {"iterations": 100}


def test_an_epoch_set_for_one_training_keeps_the_others(tmp_path, monkeypatch):
    """A training of another length would be as long as the paper's."""
    shutil.copy(paths.SCALES / "mini.yaml", tmp_path)
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    (tmp_path / "own.yaml").write_text("like: mini\nset_in: {a11_dual_head: {epochs: {24: 3}}}\n")
    a11 = experiments.load().evaluations["a11_dual_head"].config_path
    assert resolve(a11, Scale("own"), register=False).schedule.epochs == 2.5


@pytest.mark.parametrize("name", ["../mini", "a/b", "[1]", "5", "''", "loop"])
def test_a_scale_is_like_another_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SCALES", tmp_path)
    (tmp_path / "own.yaml").write_text(f"like: {name}\n")
    (tmp_path / "loop.yaml").write_text("like: own\n")
    with pytest.raises(UserError, match=r"(own|loop)\.yaml: like: .* is no scale"):
        Scale("own")
