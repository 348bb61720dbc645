"""Lengths and categories: by hand, as mmdet and mmengine count them, and LVIS's own."""

import json
import os
from pathlib import Path

import pytest
import torch
from facts import lacks
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from seesaw.cli.checks import preflight_dataset
from seesaw.data import facts
from seesaw.data.mini_lvis import generate
from seesaw.errors import UserError
from seesaw.models.losses.equalization_loss import EqualizationLoss
from seesaw.spec import expected
from seesaw.spec.config import resolve
from seesaw.spec.datasets import DatasetEntry
from seesaw.spec.mini_lvis import MiniLvisSpec
from seesaw.spec.scales import Scale


def annotation(number, image, category, box=(1, 1, 10, 10), area=100):
    x, y, w, h = box
    outline = [x, y, x + w, y, x + w, y + h, x, y + h]
    keys = {"id": number, "image_id": image, "category_id": category}
    return keys | {"bbox": [*box], "area": area, "segmentation": [outline]}


def entry_of(root, annotations, sides=(64, 64, 64, 31)):
    """A training set of images 1, 2, ... with these sides; nothing else is there."""
    known = {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    content = {
        "images": [
            {"id": i, "width": 64, "height": s, "coco_url": f"{i}.png"} | known
            for i, s in enumerate(sides, start=1)
        ],
        "categories": [{"id": i, "name": f"c{i}"} for i in (1, 2, 3)],
        "annotations": annotations,
    }
    (root / "train.json").write_text(json.dumps(content))
    return DatasetEntry(name=root.name, root=root, train="train.json", val="val.json")


def test_an_epoch_by_hand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    boxes = [(1, 1), (1, 2), (2, 1), (3, 3)]
    some = [annotation(n, *pair) for n, pair in enumerate(boxes)]
    # image 4 is too small, image 3 has nothing that counts but stays
    some += [annotation(8, 4, 2), annotation(9, 3, 3, box=(60, 1, 0.5, 5), area=2)]
    some[3]["area"] = 0
    found = facts.facts(entry_of(tmp_path, some), threshold=1.0)
    assert found["images"] == {"train": 4}
    assert found["counts"]["annotated_images"] == 4
    assert [c["image_count"] for c in found["counts"]["categories"]] == [2, 2, 1]
    # of three images: category 1 in two, r = sqrt(3/2) = 1.22; category 2 in one, r = 1.73
    assert found["epoch"] == {"random": 3, "rfs": 2 + 2 + 1}
    assert facts.repeat_factors({1: 2, 2: 0}, 3, 1.0) == {1: pytest.approx(1.5**0.5)}


def test_epochs_are_those_of_mmdet(tmp_path, monkeypatch):
    entry = Scale("smoke").entry
    spec = MiniLvisSpec.parse(entry.generate, "smoke")
    root = tmp_path / "smoke_lvis"
    generate(spec, root, tmp_path / "truth")
    scale = Scale("smoke")
    scale.entry = entry.model_copy(update={"root": root})
    init_default_scope("mmdet")
    length = {}
    for sampler in ("random", "rfs"):
        training = scale.table.trainings[f"mask_rcnn_{sampler}_ce"]
        loader = resolve(training.config, scale).train_dataloader
        length[sampler] = len(DATASETS.build(loader.dataset))
    threshold = loader.dataset.oversample_thr
    monkeypatch.chdir(tmp_path)
    found = facts.facts(scale.entry, threshold)
    assert found["epoch"] == length and length["rfs"] > length["random"] == 40
    assert found["images"] == {"train": 40, "val": 12, "test_dev": 6}


def test_a_broken_file_or_record_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = entry_of(tmp_path, [annotation(1, 1, 1) | {"bbox": [1, 1, 10]}])
    with pytest.raises(UserError, match=r"train\.json"):
        facts.facts(entry, 1e-3)
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(UserError, match=r"train\.json"):
        facts.facts(entry, 1e-3)


def by_name(checks):
    return {c.name: (c.ok, c.text) for c in checks}


def test_what_is_absent_is_said_and_what_is_wrong_is_red():
    scale, known = Scale("paper"), expected.load().datasets["lvis_v1"]
    absent = by_name(preflight_dataset.dataset_checks(scale, {"images": {}}, known))
    path = "data/lvis_v1/annotations/lvis_v1_train.json"
    ok, said = absent["train images"]
    assert ok is None and path in said
    found = {"images": {"train": 100170, "val": 19808}, "epoch": {"random": 99388, "rfs": 99388}}
    checks = by_name(preflight_dataset.dataset_checks(scale, found, known))
    assert checks["train images"] == (True, "100,170")
    ok, said = checks["val images"]
    assert ok is False and not lacks(said, "19,808", "configs/preflight.yaml", "19,809")
    checks = by_name(preflight_dataset.derived_checks(scale, found, known))
    samplers = {name.rpartition(" ")[2]: check for name, check in checks.items()}
    assert samplers["random"] == (True, "6,212") and samplers["rfs"][0] is False


LVIS = os.environ.get("SEESAW_LVIS")
lvis = pytest.mark.skipif(not LVIS, reason="SEESAW_LVIS names no folder with files of LVIS v1")


@lvis
def test_lvis_counts():
    """From Detic's lvis_v1_train_cat_info.json or, where it is there, lvis_v1_train.json."""
    known, folder = expected.load().datasets["lvis_v1"], Path(LVIS)
    rows = json.loads((folder / "lvis_v1_train_cat_info.json").read_text())
    counts = {"annotated_images": known.filtered, "categories": rows}
    found = by_name(
        preflight_dataset.derived_checks(Scale("paper"), {"images": {}, "counts": counts}, known)
    )
    assert len(rows) == known.categories == 1203
    assert found["frequency r/c/f"] == (True, "337/461/405")
    assert found["repeated categories"] == (True, "796")
    assert found["largest factor"] == (True, "9.97")
    assert found["EQL tail"] == (True, "815")
    assert found["BAGS groups"] == (True, "200/412/334/257")


@lvis
@pytest.mark.parametrize(("lambda_", "tail"), [(1e-3, 796), (1.76e-4, 439)])
def test_the_tail_of_lvis_at_other_thresholds(lambda_, tail):
    rows = json.loads((Path(LVIS) / "lvis_v1_train_cat_info.json").read_text())
    counts = {"annotated_images": expected.load().datasets["lvis_v1"].filtered, "categories": rows}
    loss = EqualizationLoss(len(rows), counts, lambda_=lambda_)
    rare = torch.tensor([c["frequency"] == "r" for c in rows])
    assert loss.tail.sum() == tail and loss.tail[rare].all()


@lvis
def test_lvis_files(tmp_path, monkeypatch):
    folder = Path(LVIS).resolve()
    files = {k: f"lvis_v1_{k}.json" for k in ("train", "val")}
    files["test_dev"] = "lvis_v1_image_info_test_dev.json"
    if not any((folder / f).is_file() for f in files.values()):
        pytest.skip("none of LVIS v1's annotation files is there")
    known = expected.load().datasets["lvis_v1"]
    entry = DatasetEntry(name="lvis_v1", root=folder, categories=1203, **files)
    monkeypatch.chdir(tmp_path)
    found = facts.facts(entry, preflight_dataset.RFS)
    assert found["images"] == {k: known.images[k] for k in found["images"]}
    if "epoch" in found:
        assert {k: -(-n // 16) for k, n in found["epoch"].items()} == known.epoch
