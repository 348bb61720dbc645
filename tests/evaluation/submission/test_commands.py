"""``seesaw submit`` and ``grade``: receipts, records, and the line under Table A1."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import orjson
import pytest
from facts import lacks
from repository import copied, replace
from small_set import Small, generated

from seesaw.core.provenance import record
from seesaw.data.lvis_folder import hashes, write_json
from seesaw.errors import UserError
from seesaw.results.tables.collect import collect
from seesaw.results.tables.layout import remarks
from seesaw.spec import experiments
from seesaw.spec.annotations import relative_path
from seesaw.spec.scales import Scale

TEST_DEV = Path("results/mini/a11_dual_head/seed0/test_dev_a12/detections.jsonl")
TRUTH = Path("data/mini_lvis_test_dev_truth/test_dev.json")
VAL = Path("results/mini/a11_dual_head/seed0/a12_test_time_augmentation/detections.jsonl")


def write_manifest(folder, content):
    """The manifest of val with an empty file for each image, and a file of counts."""
    for image in content["images"]:
        path = folder / relative_path(image)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    splits = {"val": hashes(folder, "annotations/val.json")}
    known = dict(categories=len(content["categories"]), hash="content", splits=splits)
    write_json(known, folder / "manifest.json")
    write_json({"categories": []}, folder / "category_counts.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A fresh clone with a generated dataset and detections of a12 on both splits."""
    root = copied(tmp_path_factory.mktemp("root"), "configs")
    small = Small(tmp_path_factory.mktemp("small"), 5, apart=True)
    text = {"val": small.data, "test_dev": small.data | {"annotations": []}}
    for folder, prefix in (("mini_lvis", ""), ("lvis_v1", "lvis_v1_image_info_")):
        annotations = root / "data" / folder / "annotations"
        annotations.mkdir(parents=True)
        (annotations / f"{prefix}test_dev.json").write_text(json.dumps(text["test_dev"]))
        (annotations / "val.json").write_text(json.dumps(text["val"]))
        write_manifest(root / "data" / folder, small.data)
    (root / TRUTH).parent.mkdir()
    (root / TRUTH).write_text(json.dumps(small.data))
    for path in (TEST_DEV, VAL, Path(str(TEST_DEV).replace("mini", "paper"))):
        (root / path).parent.mkdir(parents=True)
        shutil.copy(small.found, root / path)
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "root")
    monkeypatch.chdir(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def said(root, printed):
    """What a call prints, and that it ends as it should."""

    def call(*args, code=0):
        text = printed(*args, code=code)
        if code == 2:
            (line,) = text.splitlines()
            assert line.endswith(".")
            return line.removeprefix(f"seesaw {args[0]}: ")
        return text

    return call


def line(scale):
    """The line under Table A1."""
    lines = remarks(collect("table_a1", Scale(scale)))
    (found,) = [text for text in lines if text.startswith("test-dev AP: ")]
    return found.removeprefix("test-dev AP: ")


def receipt(detections):
    return json.loads(detections.with_name("submission.zip.receipt.json").read_text())


def change(path):
    """One detection less, as another model would give."""
    lines = [orjson.loads(text) for text in path.read_bytes().splitlines()]
    for name in ("category_ids", "scores", "bboxes", "counts", "mask_scores"):
        lines[1][name] = lines[1][name][:-1]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def test_the_receipt_of_the_default_package(said):
    assert not lacks(line("mini"), "not submitted", "scale: 38.92")
    assert "submission.zip: " in said("submit") and line("mini").startswith("not submitted")
    package, entry = TEST_DEV.with_name("submission.zip"), receipt(TEST_DEV)
    assert entry["package"] == {
        "path": package.as_posix(),
        "bytes": package.stat().st_size,
        "sha256": hashlib.sha256(package.read_bytes()).hexdigest(),
    }
    assert (entry["id"], entry["training"], entry["split"], entry["seed"], entry["images"]) == (
        "test_dev_a12",
        "a11_dual_head",
        "test_dev",
        0,
        12,
    )
    used = entry["provenance"]["inputs"]
    assert used["detections"]["sha256"] == hashlib.sha256(TEST_DEV.read_bytes()).hexdigest()
    assert used["images"]["path"] == "data/mini_lvis/annotations/test_dev.json"
    assert entry["records"] == []


def test_grading_plays_the_server_and_is_never_called_one(said):
    said("submit")
    assert not lacks(said("grade"), TEST_DEV.with_name("submission.zip"), "AP", TRUTH)
    (record,) = receipt(TEST_DEV)["records"]
    said("evaluate", "a12")  # the same detections, and here val has the same annotations
    table = json.loads(VAL.with_name("metrics.json").read_text())["segm"]["AP"]
    assert (record["kind"], record["AP"]) == ("graded", 100 * table)
    graded = f"{100 * table:.1f}, graded"
    assert line("mini").startswith(graded) and "LVIS server" not in line("mini")
    said("submit", "a12")  # the same bytes: still theirs
    assert line("mini").startswith(graded)
    change(TEST_DEV)
    said("submit", "a12")  # other bytes: not theirs, and kept
    assert line("mini").startswith("not submitted")
    assert receipt(TEST_DEV)["records"] == [record]
    TEST_DEV.with_name("submission.zip").unlink()
    assert line("mini").startswith("not submitted")


def test_the_servers_answer(said):
    found = Path(str(TEST_DEV).replace("mini", "paper"))
    paper = ("submit", "--scale", "paper")
    message = said(*paper, "--record", "pending", code=2)
    call = "`seesaw submit test_dev_a12 --scale paper`"
    assert not lacks(message, "submission.zip", "missing", call)
    said(*paper)
    assert not lacks(line("paper"), "not submitted", "paper: 38.92")
    assert not lacks(said(*paper, "--record", "pending"), "submission.zip.receipt.json", "pending")
    assert not lacks(line("paper"), "pending", "paper: 38.92")
    for wrong in ("0.3892", "101", "nan", "-1", "soon"):
        message = said(*paper, "--record", wrong, code=2)
        assert message.startswith(f"--record {wrong}: ") and "percent" in message
    said(*paper, "--record", "37.5")
    day = receipt(found)["records"][-1]["time"][:10]
    assert not lacks(line("paper"), "37.50", "LVIS server", day, "paper: 38.92")
    assert [r["kind"] for r in receipt(found)["records"]] == ["uploaded", "server"]
    with found.with_name("submission.zip").open("ab") as file:
        file.write(b"x")
    message = said(*paper, "--record", "38", code=2)
    assert not lacks(message, "submission.zip", "receipt", "`seesaw submit`")
    truth = "data/lvis_v1_test_dev_truth/test_dev.json"
    message = said("grade", "--scale", "paper", code=2)
    assert not lacks(message, truth, "missing", "generated")


def test_another_file_in_the_packages_place_is_not_graded(said):
    said("submit")
    package, entry = TEST_DEV.with_name("submission.zip"), {"image_id": 1, "category_id": 1}
    entry |= {"score": "0.5", "segmentation": {"size": [1, 1], "counts": "1"}}
    package.write_text(json.dumps([entry]))
    message = said("grade", code=2)
    assert message.startswith(str(package)) and "sha256" in message
    assert receipt(TEST_DEV)["records"] == []


def test_an_entry_by_hand_that_lacks_its_hash_is_one_sentence(said):
    said("submit")
    path = TEST_DEV.with_name("submission.zip.receipt.json")
    path.write_text(json.dumps(receipt(TEST_DEV) | {"records": [{"kind": "server", "AP": 38.9}]}))
    before = path.read_bytes()
    with pytest.raises(UserError, match=rf"{path} .*sha256"):
        line("mini")
    assert not lacks(said("submit", code=2), path, "sha256")
    assert path.read_bytes() == before


@pytest.mark.parametrize("given", [{"AP": None, "time": "2026-01-01"}, {"AP": 38.9}])
def test_a_servers_entry_by_hand_without_a_score_or_time_is_one_sentence(said, given):
    said("submit")
    path, entry = TEST_DEV.with_name("submission.zip.receipt.json"), receipt(TEST_DEV)
    own = {"kind": "server", "sha256": entry["package"]["sha256"], **given}
    path.write_text(json.dumps(entry | {"records": [own]}))
    with pytest.raises(UserError, match=rf"{path} .*'server'"):
        line("mini")


def test_no_server_scores_generated_data_or_val(said):
    said("submit")
    for args in (("--record", "38.92"), ("--split", "val", "--record", "pending")):
        message = said("submit", *args, code=2)
        assert not lacks(message, f"--record {args[-1]}", "mini_lvis", "`seesaw grade`")
    assert receipt(TEST_DEV)["records"] == []


def test_on_val_the_package_scores_what_the_table_says(said):
    package, metrics = VAL.with_name("submission.zip"), VAL.with_name("metrics.json")
    message = said("grade", "a12", "--split", "val", code=2)
    assert str(package) in message
    said(*re.search("`seesaw (.+)`", message)[1].split())  # the command that it names
    assert package.exists() and not TEST_DEV.with_name("submission.zip").exists()
    said("evaluate", "a12")
    assert str(metrics) in said("grade", "a12", "--split", "val")
    wrong = json.loads(metrics.read_text())
    wrong["segm"]["AP_r"] += 1e-12
    metrics.write_text(json.dumps(wrong))
    record(metrics)
    assert not lacks(said("grade", "a12", "--split", "val", code=2), package, metrics)


def test_any_evaluation_by_name(said):
    message = said("submit", "a01", code=2)
    row = "test_dev_a01_mask_rcnn: "
    row += "{training: a01_mask_rcnn, split: test_dev, config: a01_mask_rcnn}"
    assert not lacks(message, "configs/experiments.yaml", "evaluations", f"`{row}`")
    replace(Path("configs/experiments.yaml"), "\ncells:", f"\n  {row}\n\ncells:")
    assert "`seesaw detect test_dev_a01_mask_rcnn --scale mini`" in said("submit", "a01", code=2)
    found = Path("results/mini/a01_mask_rcnn/seed0/test_dev_a01_mask_rcnn/detections.jsonl")
    found.parent.mkdir(parents=True)
    shutil.copy(TEST_DEV, found)
    said("submit", "a01")
    assert receipt(found)["id"] == "test_dev_a01_mask_rcnn"
    message = said("submit", "a02", "--split", "val", code=2)
    command = "`seesaw detect a02_syncbn --scale mini`"
    assert not lacks(message, "a02_syncbn/detections.jsonl", command)


def test_a_foreign_file_is_checked(said, tmp_path):
    said("submit")
    good = TEST_DEV.with_name("submission.zip")
    assert said("submit", "--check", str(good)).endswith("no fault\n")
    foreign = tmp_path / "foreign.json"
    mask = {"size": [1, 1], "counts": "1"}
    entry = {"image_id": 5, "category_id": 10, "score": 1, "segmentation": mask}
    foreign.write_text(json.dumps([entry]))
    first, *faults = said("submit", "--check", str(foreign), code=1).splitlines()
    assert not lacks(first, "0.0 MB", "1 detections", "0 of 12")
    image, category = faults
    assert not lacks(image, "image_id", "data/mini_lvis/annotations/test_dev.json", "5 (unknown)")
    assert not lacks(category, "category_id", "1 to 9", "5 (10)")
    assert not lacks(said("submit", "--check", "none.zip", code=2), "none.zip", "missing")
    assert "cannot be read" in said("submit", "--check", "", code=2)
    foreign.write_text(json.dumps([entry]).replace('"score": 1', '"score": 1' + 5000 * "0"))
    assert "is not JSON" in said("submit", "--check", str(foreign), code=1)


def test_a_faulty_detections_file_is_not_packaged(said):
    text = TEST_DEV.read_bytes()
    TEST_DEV.write_bytes(text[:-20])
    assert not lacks(said("submit", code=2), "detections.jsonl, line 12", "JSON")
    left = {p.name for p in TEST_DEV.parent.iterdir()}
    assert left == {"detections.jsonl", "submission.zip.failed.json"}


def test_test_dev_is_not_evaluated_and_has_no_cell(said):
    message = said("evaluate", "test_dev_a12", code=2)
    assert not lacks(message, "test_dev_a12", "no annotations", "`seesaw submit`")
    table = Path("configs/experiments.yaml")
    replace(table, "evaluation: a12_test_time_augmentation", "evaluation: test_dev_a12")
    with pytest.raises(UserError, match=r"experiments\.yaml.* test_dev_a12"):
        experiments.load()


def test_a_dataset_without_test_dev(said, root):
    data = generated.dataset(1)
    (root / "mine/annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (root / f"mine/annotations/{split}.json").write_text(json.dumps(data))
    message = said("submit", "--dataset", "mine", "--check", "x.json", code=2)
    assert not lacks(message, "configs/datasets.yaml", "mine", "test_dev")
