"""An edit in the real configs changes the fingerprints of exactly what depends on it."""

import json

import pytest
from repository import copied, python

from seesaw.spec import zoo

pytestmark = pytest.mark.slow
ENTRY = ("a09_stronger_backbone", "a10_seesaw", "a11_dual_head")
SEESAW = {
    f"{model}_{sampler}_seesaw"
    for model in ("mask_rcnn", "cascade")
    for sampler in ("random", "rfs")
}


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """Edits files of a copy of configs/: the trainings and detections whose fingerprint changed."""
    root = copied(tmp_path_factory.mktemp("root"), "configs")

    def fingerprints():
        done = python(root, "-m", "seesaw.cli", "fingerprints", "--scale", "paper")
        return json.loads(done.stdout)

    before = fingerprints()

    def changed(edits):
        kept = {}
        for name, (old, new) in edits.items():
            path = root / "configs" / name
            kept[path] = path.read_text()
            assert old in kept[path]
            path.write_text(kept[path].replace(old, new))
        after = fingerprints()
        for path, text in kept.items():
            path.write_text(text)
        assert after.keys() == before.keys()
        found = {key for key in before if before[key] != after[key]}
        return {key for key in found if key.startswith(("train/", "detect/"))}

    return changed


def jobs(trainings, *evaluations):
    keys = {f"train/{t}/seed0" for t in trainings}
    return keys | {f"detect/{e}" for e in (*trainings, *evaluations)}


def test_a_rungs_hyper_parameter_concerns_the_rungs_on_top_of_it(changed):
    edit = {"table_a1/a09_stronger_backbone.py": ("radix=2", "radix=1")}
    assert changed(edit) == jobs(ENTRY, "a12_test_time_augmentation", "test_dev_a12")


def test_a_losss_parameter_concerns_its_users(changed):
    edit = {"_base_/loss_seesaw.py": ("p=0.8", "p=0.7")}
    entry = jobs(ENTRY[1:], "a12_test_time_augmentation", "test_dev_a12")
    released = {f"detect/{name}" for name in zoo.load().models}
    assert changed(edit) == jobs(SEESAW) | entry | released


def test_a_leafs_parameter_concerns_itself(changed):
    edit = {
        "table_a2/b03_htc_lite.py": (
            "model.roi_head.update(",
            "model.neck.num_outs = 6\nmodel.roi_head.update(",
        )
    }
    assert changed(edit) == jobs(["b03_htc_lite"])


def test_words_the_machine_and_what_is_printed_concern_nothing(changed):
    edits = {
        "_base_/lvis_v1.py": ('"""LVIS v1', '"""Another sentence. LVIS v1'),
        "table_a1/a01_mask_rcnn.py": ("_base_ = [", "# why\n_base_ = ["),
        "table_a1/a09_stronger_backbone.py": ("model = dict(", "images_per_gpu = 1\nmodel = dict("),
        "paper_values.yaml": ("18.7", "18.8"),
        "experiments.yaml": ("+ SyncBN", "+ Synchronised BN"),
        "costs.yaml": ("a100: 0.45", "a100: 0.5"),
    }
    assert changed(edits) == set()
