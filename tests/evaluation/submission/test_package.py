"""The package: its bytes, its entries, and that it scores what the table says."""

import copy
import hashlib
import json
import zipfile

import orjson
import pytest
from facts import lacks
from small_set import Small, lvis_oracle

from seesaw.errors import UserError
from seesaw.evaluation.lvis_eval import evaluate
from seesaw.evaluation.submission import package as packaging
from seesaw.evaluation.submission.grade import grade
from seesaw.evaluation.submission.package import ImageList, package
from seesaw.evaluation.submission.validate import validate


@pytest.fixture(params=[False, True], ids=["one score", "mask scores apart"])
def small(tmp_path, request):
    return Small(tmp_path, 5, request.param)


def unpacked(path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("results.json")


def test_entries_are_the_lines_by_mask_score_at_most_300_an_image(small):
    expected = []
    for line in small.lines:  # images ascend in the generated lines
        scores = line.get("mask_scores", line["scores"])
        best = sorted(range(len(scores)), key=lambda i: -scores[i])[:300]
        size = [line["height"], line["width"]]
        expected += [
            {
                "image_id": line["image_id"],
                "category_id": line["category_ids"][i],
                "score": scores[i],
                "segmentation": {"size": size, "counts": line["counts"][i]},
            }
            for i in best
        ]
    text = unpacked(small.zip)
    assert json.loads(text) == expected
    assert max(len(line["scores"]) for line in small.lines) > 300
    assert small.facts == {
        "images": 12,
        "images_with_detections": sum(bool(line["scores"]) for line in small.lines),
        "detections": len(expected),
        "results": {
            "name": "results.json",
            "bytes": len(text),
            "sha256": hashlib.sha256(text).hexdigest(),
        },
    }


def test_the_same_detections_give_the_same_bytes(small, tmp_path, monkeypatch):
    again = tmp_path / "elsewhere" / "again.zip"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    package(small.found, small.images, again)
    assert again.read_bytes() == small.zip.read_bytes()
    (info,) = zipfile.ZipFile(small.zip).infolist()
    assert info.date_time == (1980, 1, 1, 0, 0, 0)
    assert info.compress_type == zipfile.ZIP_DEFLATED


def test_the_package_scores_exactly_what_the_table_says(small):
    """By our evaluation, bit for bit, and by the server's package on the JSON itself.

    The JSON has no box: lvis would take its area for the mask's.
    """
    table = evaluate(small.found, small.annotations)["segm"]
    assert table["AP"] > 0.01 and table["AP_s"] is not None
    assert grade(small.zip, small.annotations) == table
    read_back = small.zip.with_name("results.json")
    read_back.write_bytes(unpacked(small.zip))
    run = lvis_oracle.lvis.LVISEval(str(small.annotations), str(read_back), "segm")
    run.run()
    official = {lvis_oracle.KEYS.get(k, k): None if v < 0 else v for k, v in run.results.items()}
    assert official == pytest.approx(table, abs=1e-9)


def test_no_sign_of_an_interrupted_package(small, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    lines = small.found.read_bytes().splitlines()
    small.found.write_bytes(b"\n".join(lines[:-1]))
    with pytest.raises(UserError, match=r"\b11 .*\b12 .*annotations\.json"):
        package(small.found, small.images, small.zip)
    small.found.write_bytes(b"\n".join([*lines[:-1], lines[-1][:-9]]))
    with pytest.raises(UserError, match=r"detections\.jsonl, line 12: .*JSON"):
        package(small.found, small.images, small.zip)
    small.found.write_bytes(before[small.found])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_detection_outside_the_list_is_not_packaged(small):
    line = orjson.loads(small.found.read_bytes().splitlines()[0])
    line["category_ids"][0] = 10
    small.found.write_bytes(orjson.dumps(line))
    with pytest.raises(UserError, match="line 1: category 10"):
        package(small.found, small.images, small.zip)


def test_nothing_detected_is_no_submission(small):
    empty = {"category_ids": [], "scores": [], "bboxes": [], "counts": []}
    empty |= {"mask_scores": []} if "mask_scores" in small.lines[0] else {}
    small.found.write_bytes(b"\n".join(orjson.dumps(line | empty) for line in small.lines))
    with pytest.raises(UserError, match=f"{small.found} .*no detection"):
        package(small.found, small.images, small.zip)


def test_a_list_without_annotations_is_enough(small, tmp_path):
    """test-dev's file: images and categories only."""
    bare = tmp_path / "test_dev.json"
    bare.write_text(json.dumps(small.data | {"annotations": []}))
    assert package(small.found, ImageList.load(bare), tmp_path / "b.zip") == small.facts
    assert (tmp_path / "b.zip").read_bytes() == small.zip.read_bytes()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data.update(images=[]), "no images"),
        (lambda data: data.update(categories=[]), "no categories"),
        (lambda data: data["images"][0].update(id="a1"), "'a1'"),
        (lambda data: data["images"][0].update(height=None), "None"),
        (lambda data: data["categories"][0].update(id="1"), "'1'"),
    ],
)
def test_a_list_that_no_results_can_be_checked_against(small, tmp_path, change, what):
    data = copy.deepcopy(small.data)
    change(data)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=rf"mine\.json .*{what}"):
        ImageList.load(path)


def test_what_is_packaged_is_valid(small, monkeypatch):
    """Also where the reading block ends anywhere in an entry."""
    for block in (1 << 18, 997):
        monkeypatch.setattr("seesaw.evaluation.submission.results.BLOCK", block)
        report = validate(small.zip, small.images)
        assert report.faults == {}
        assert report.detections == small.facts["detections"]
        assert (report.per_image > 0).sum() == small.facts["images_with_detections"]
        assert not lacks(report.lines()[0], small.zip, f"{report.detections:,} detections", "of 12")


def test_another_level_of_zlib_packs_the_same_json(small, tmp_path, monkeypatch):
    monkeypatch.setattr(packaging, "LEVEL", 1)
    assert package(small.found, small.images, tmp_path / "1.zip") == small.facts
    assert unpacked(tmp_path / "1.zip") == unpacked(small.zip)


def test_a_package_of_other_images_is_not_graded(small, tmp_path):
    other = tmp_path / "other.json"
    images = [image | {"id": image["id"] + 1} for image in small.data["images"]]
    other.write_text(json.dumps(small.data | {"images": images, "annotations": []}))
    with pytest.raises(UserError, match=r"submission\.zip.* images 1 "):
        grade(small.zip, other)
    assert not list(tmp_path.glob(".grade*"))
