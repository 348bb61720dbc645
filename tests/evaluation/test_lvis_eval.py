"""Equality with the official evaluator and with hotcoco; hand-made and real annotations."""

import copy
import json
import os
from pathlib import Path

import generated
import lvis_oracle
import numpy as np
import pytest
from facts import refusal
from pycocotools import mask as mask_api

from seesaw.errors import UserError
from seesaw.evaluation.detections import DetectionWriter
from seesaw.evaluation.ground_truth import load
from seesaw.evaluation.lvis_eval import accumulate, evaluate, match, summarize

KINDS = ("segm", "bbox")


def assert_equal(ours: dict, reference: dict) -> None:
    assert set(reference) == set(ours)
    for name, value in reference.items():
        if value is None:
            assert ours[name] is None, name
        else:
            assert ours[name] == pytest.approx(value, abs=1e-9, rel=0), name


@pytest.mark.parametrize(
    "seed", [pytest.param(s, marks=pytest.mark.slow if s >= 8 else ()) for s in range(16)]
)
def test_fuzzed_cases_equal_lvis_and_hotcoco(tmp_path, seed):
    data = generated.dataset(seed)
    lines = generated.detections(data, seed, apart=seed % 2 == 1)
    annotations, found = generated.save(tmp_path, data, lines)
    ours = evaluate(found, annotations)
    assert ours["images"] == 12
    assert ours["detections"] == sum(len(line["scores"]) for line in lines)
    for kind in KINDS:
        assert_equal(ours[kind], lvis_oracle.official(annotations, lines, kind))
        rust = lvis_oracle.rust(annotations, lines, kind)
        assert_equal(ours[kind], {name: rust[name] for name in ours[kind]})


def test_fuzzed_cases_hold_every_awkward_kind():
    data = [generated.dataset(seed) for seed in range(2)]
    lines = [line for s, d in enumerate(data) for line in generated.detections(d, s)]
    assert any(a["area"] == 0 for d in data for a in d["annotations"])
    assert any(len(line["scores"]) > 300 for line in lines)
    assert any(not line["scores"] for line in lines)
    assert any(len(set(line["scores"])) < len(line["scores"]) for line in lines)
    assert any(box[2] == 0 for line in lines for box in line["bboxes"])
    masks = [
        {"size": [li["height"], li["width"]], "counts": m} for li in lines for m in li["counts"]
    ]
    assert any(mask_api.area(mask) == 0 for mask in masks)
    for d in data:
        images = {i["id"]: i for i in d["images"]}
        positive = {(a["image_id"], a["category_id"]) for a in d["annotations"]}
        assert {c["id"] for c in d["categories"]} > {category for _, category in positive}
        for name in ("neg_category_ids", "not_exhaustive_category_ids"):
            listed = {(i, category) for i, image in images.items() for category in image[name]}
            assert listed - positive
        assert any(i["not_exhaustive_category_ids"] for i in d["images"])
        assert any(
            (i, c) in positive for i in images for c in images[i]["not_exhaustive_category_ids"]
        )
    empty = [
        {i["id"] for i in d["images"]} - {a["image_id"] for a in d["annotations"]} for d in data
    ]
    assert all(empty)


def test_writer_keeps_what_lvis_keeps_of_more_than_300(tmp_path):
    data = generated.dataset(3)
    lines = generated.detections(data, 3)
    annotations, found = generated.save(tmp_path, data, lines)
    with DetectionWriter(tmp_path / "capped.jsonl") as writer:
        for line in lines:
            boxes = np.array(line["bboxes"]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            labels = np.array(line["category_ids"], int) - 1
            size = (line["height"], line["width"])
            writer.write(line["image_id"], *size, boxes, line["scores"], labels, line["counts"])
    capped, whole = evaluate(tmp_path / "capped.jsonl", annotations), evaluate(found, annotations)
    assert capped["detections"] < whole["detections"]
    assert capped["segm"] == whole["segm"]
    assert capped["bbox"] == pytest.approx(whole["bbox"], abs=1e-12)


def write_truth(data: dict, path: Path) -> Path:
    """Ground truth as a detector would hand it in: scores 1, boxes of the annotations."""
    masks = generated.masks_of(data)
    boxes = {image_id: [] for image_id in masks}
    for annotation in data["annotations"]:
        boxes[annotation["image_id"]].append(annotation["bbox"])
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    with DetectionWriter(path) as writer:
        for image_id, found in masks.items():
            corners = np.array(boxes[image_id]).reshape(-1, 4)
            corners[:, 2:] += corners[:, :2]
            labels = np.array([category - 1 for category, _ in found], int)
            stack = np.array([m for _, m in found]).reshape(-1, *sizes[image_id])
            writer.write(image_id, *sizes[image_id], corners, np.ones(len(found)), labels, stack)
    return path


def v05_fixture() -> dict:
    """Polygons only, the fields of LVIS v0.5, every annotation of positive area."""
    rng = np.random.default_rng(5)
    data = generated.dataset(5, images=10)
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    for annotation in data["annotations"]:
        size = sizes[annotation["image_id"]]
        annotation["segmentation"] = generated.polygons(rng, *size)
        rle = mask_api.merge(mask_api.frPyObjects(annotation["segmentation"], *size))
        annotation["area"] = float(mask_api.area(rle))
        annotation["bbox"] = mask_api.toBbox(rle).tolist()
    return data


def test_ground_truth_as_results_scores_one(tmp_path):
    data = v05_fixture()
    annotations, _ = generated.save(tmp_path, data, [])
    ours = evaluate(write_truth(data, tmp_path / "truth.jsonl"), annotations)
    for kind in KINDS:
        defined = {name: value for name, value in ours[kind].items() if value is not None}
        assert {"AP", "AP_r", "AP_c", "AP_f", "AR"} <= set(defined)
        assert defined == pytest.approx(dict.fromkeys(defined, 1.0), abs=1e-12)
        present = {str(a["category_id"]) for a in data["annotations"]}
        for category, ap in ours["per_category"][kind].items():
            assert ap == (pytest.approx(1.0) if category in present else None)


def hand_made(tmp_path, negative, not_exhaustive) -> tuple[Path, Path]:
    """One object of category 1, found; one false positive of category 1 scored above it in a
    second image, one of category 2 (an object elsewhere, found below it) there too."""
    square = {"size": [100, 100], "counts": ""}
    mask = np.zeros((100, 100), bool)
    mask[10:50, 10:50] = True
    square["counts"] = generated.rle_of(mask)
    image = {"height": 100, "width": 100}
    data = {
        "categories": [{"id": 1, "frequency": "r"}, {"id": 2, "frequency": "f"}],
        "images": [
            image | {"id": 1, "neg_category_ids": [], "not_exhaustive_category_ids": []},
            image
            | {
                "id": 2,
                "neg_category_ids": negative,
                "not_exhaustive_category_ids": not_exhaustive,
            },
        ],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": i, "bbox": [10, 10, 40, 40], "area": 1600}
            | {"segmentation": square}
            for i in (1, 2)
        ],
    }
    found = {"bboxes": [[10, 10, 40, 40]] * 2, "counts": [square["counts"]] * 2}
    found |= {"category_ids": [1, 2]} | image
    lines = [
        found | {"image_id": 1, "scores": [0.8, 0.7]},
        found | {"image_id": 2, "scores": [0.9, 0.9]},
    ]
    return generated.save(tmp_path, data, lines)


@pytest.mark.parametrize(
    ("negative", "not_exhaustive", "rare", "frequent"),
    [
        ([], [], 1.0, 1.0),  # not judged in image 2: no false positives
        ([1], [], 0.5, 1.0),  # judged: the false positive comes first, precision 1/2
        ([1, 2], [], 0.5, 0.5),
        ([1, 2], [2], 0.5, 1.0),  # judged but not exhaustive: ignored
    ],
)
def test_federated_fields_decide_what_is_a_false_positive(
    tmp_path, negative, not_exhaustive, rare, frequent
):
    annotations, found = hand_made(tmp_path, negative, not_exhaustive)
    ours = evaluate(found, annotations)
    for kind in KINDS:
        assert ours[kind]["AP_r"] == pytest.approx(rare, abs=1e-12)
        assert ours[kind]["AP_f"] == pytest.approx(frequent, abs=1e-12)
        assert ours[kind]["AP_c"] is None
        assert ours["per_category"][kind] == pytest.approx({"1": rare, "2": frequent})


def test_no_detections_at_all_score_zero(tmp_path):
    annotations, found = hand_made(tmp_path, [], [])
    empty = {"category_ids": [], "scores": [], "bboxes": [], "counts": []}
    lines = [{"image_id": i, "height": 100, "width": 100} | empty for i in (1, 2)]
    _, found = generated.save(tmp_path, json.loads(annotations.read_text()), lines)
    assert evaluate(found, annotations)["segm"]["AP"] == 0.0


def test_weights_equal_copies(tmp_path):
    rng = np.random.default_rng(0)
    data = generated.dataset(11)
    lines = generated.detections(data, 11)
    for line, score in zip(lines, rng.uniform(size=(len(lines), 330)), strict=True):
        line["scores"] = np.sort(score)[::-1][: len(line["scores"])].tolist()  # no ties
    annotations, found = generated.save(tmp_path, data, lines)
    matches = match(found, load(annotations), kinds=("segm",))["segm"]
    weights = rng.integers(0, 4, 12)
    ap, recall = accumulate(matches, weights)
    # The same sample with its images really copied, evaluated by lvis.
    many, copies = copy.deepcopy(data), []
    many["images"], many["annotations"] = [], []
    for index, line in enumerate(lines):
        image = next(i for i in data["images"] if i["id"] == line["image_id"])
        for k in range(weights[index]):
            new = line["image_id"] * 10 + k
            many["images"].append(image | {"id": new})
            copies.append(line | {"image_id": new})
            for annotation in data["annotations"]:
                if annotation["image_id"] == line["image_id"]:
                    number = len(many["annotations"]) + 1
                    many["annotations"].append(annotation | {"image_id": new, "id": number})
    annotations, _ = generated.save(tmp_path, many, copies)
    official = lvis_oracle.official(annotations, copies, "segm")
    assert_equal(summarize(ap, recall, matches.groups), official)


def test_unreadable_annotations_get_one_sentence(tmp_path):
    annotations, found = hand_made(tmp_path, [], [])
    data = json.loads(annotations.read_text())

    def broken(change) -> str:
        bad = copy.deepcopy(data)
        change(bad)
        annotations.write_text(json.dumps(bad))
        return refusal(evaluate, found, annotations)

    assert "'neg_category_ids'" in broken(lambda d: d["images"][0].pop("neg_category_ids"))
    assert "'annotations'" in broken(lambda d: d.pop("annotations"))
    assert "unknown category_id" in broken(lambda d: d["annotations"][0].update(category_id=9))
    short = {"size": [100, 100], "counts": "11"}
    assert "malformed" in broken(lambda d: d["annotations"][0].update(segmentation=short))
    annotations.write_text("{")
    with pytest.raises(UserError, match=f"{annotations} .*JSON"):
        evaluate(found, annotations)
    with pytest.raises(UserError, match=r"none\.json .*missing"):
        evaluate(found, tmp_path / "none.json")


@pytest.mark.slow
def test_real_lvis_annotations(tmp_path):
    """Point SEESAW_LVIS_SAMPLE at an annotation file of LVIS; without it, the own fixture."""
    sample = os.environ.get("SEESAW_LVIS_SAMPLE")
    data = json.loads(Path(sample).read_text()) if sample else v05_fixture()
    annotations, _ = generated.save(tmp_path, data, [])
    ours = evaluate(write_truth(data, tmp_path / "truth.jsonl"), annotations)
    for kind in KINDS:
        defined = {name: value for name, value in ours[kind].items() if value is not None}
        assert defined == pytest.approx(dict.fromkeys(defined, 1.0), abs=1e-12)
    lines = generated.random_detections(data, count=300)
    _, found = generated.save(tmp_path, data, lines)
    ours = evaluate(found, annotations)
    assert ours["bbox"]["AP"] > 0
    for kind in KINDS:
        assert_equal(ours[kind], lvis_oracle.official(annotations, lines, kind))
