"""Trainings in processes of their own: same bytes twice, broken data named in one sentence."""

import json
import shutil

import pytest
import torch
from repository import seesaw

from seesaw.core.files import sha256_file
from seesaw.data.mini_lvis import generate
from seesaw.spec.mini_lvis import MiniLvisSpec

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("training", ["a01_mask_rcnn", "cascade_rfs_seesaw"])
def test_two_trainings_give_the_same_bytes(smoke_root, training):
    made = []
    for attempt in ("first", "second"):
        seesaw(smoke_root, "train", training, "--fingerprint", attempt)
        seesaw(smoke_root, "detect", training)
        seesaw(smoke_root, "evaluate", training)
        folder = smoke_root / "results/smoke" / training / "seed0"
        kinds = ("detections.jsonl", "metrics.json", "matches.npz", "replicates.json")
        names = ("model.pth", *(f"{training}/{kind}" for kind in kinds))
        made.append([sha256_file(folder / name) for name in names])
        shutil.rmtree(folder)
    assert made[0] == made[1]


def test_another_seed_gives_other_weights(smoke_root):
    seesaw(smoke_root, "train", "a01", "--seed", "0", "--fingerprint", "a")
    seesaw(smoke_root, "train", "a01", "--seed", "1", "--fingerprint", "b")
    folder = smoke_root / "results/smoke/a01_mask_rcnn"
    assert sha256_file(folder / "seed0/model.pth") != sha256_file(folder / "seed1/model.pth")


def test_a_job_of_a_workflow_that_read_other_configs_is_refused(smoke_root):
    words = ["train", "a01", "--fingerprint", "0123456789abcdef"]
    done = seesaw(smoke_root, *words, SEESAW_WORKFLOW_SCALE="smoke", code=2)
    assert "a01_mask_rcnn.py" in done.stderr and "Traceback" not in done.stderr
    assert not (smoke_root / "work/smoke/a01_mask_rcnn/seed0/0123456789abcdef").exists()


def test_corrupt_images_are_refused_in_one_sentence_and_nothing_is_made(smoke_root, tmp_path):
    broken = shutil.copytree(smoke_root, tmp_path / "broken")
    for image in (broken / "data/smoke_lvis/train").glob("*.png"):
        image.write_bytes(b"no image")
    done = seesaw(broken, "train", "b01", "--fingerprint", "x", code=2)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("seesaw train: ") and "data/smoke_lvis/annotations/train.json" in last
    assert "Traceback" not in done.stderr
    assert not (broken / "results/smoke/b01_cascade_mask_rcnn/seed0/model.pth").exists()
    table = seesaw(broken, "show", "table_a2", code=1).stdout
    assert "not run" in table
    # not where the workflow would take it for finished
    tables = broken / "results/smoke/tables"
    assert [p.name for p in tables.iterdir()] == ["partial"]
    assert (tables / "partial/table_a2.txt").is_file()


def test_a_folder_in_lvis_format_is_a_dataset_by_its_path(smoke_root):
    """Seven categories where the scale's own dataset has twelve: models have seven classes."""
    spec = dict(groups=[3, 2, 2], edges=[2, 6], train_images=24, val_images=6)
    spec |= dict(test_dev_images=4, image_side=[80, 96])
    generate(MiniLvisSpec.parse(spec, "mine"), smoke_root / "mine", smoke_root / "mine_truth")
    training = "mask_rcnn_random_bags"  # knows the categories' counts too
    seesaw(smoke_root, "data", "--dataset", "mine")
    seesaw(smoke_root, "pretrain", "resnet18", "--dataset", "mine")
    seesaw(smoke_root, "train", training, "--dataset", "mine", "--fingerprint", "m")
    for verb in ("detect", "evaluate"):
        seesaw(smoke_root, verb, training, "--dataset", "mine")
    folder = smoke_root / f"results/smoke@mine/{training}/seed0"
    state = torch.load(folder / "model.pth", weights_only=True)["state_dict"]
    assert state["roi_head.mask_head.conv_logits.weight"].shape[0] == 7
    metrics = json.loads((folder / training / "metrics.json").read_text())
    assert metrics["segm"]["AP"] is not None
