"""What W&B is sent beside the curves of a training, read back from an offline run."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from two_evaluations import A, B, make
from wandb_runs import history, records

from seesaw.cli.main import main
from seesaw.core.provenance import Provenance
from seesaw.results import wandb
from seesaw.results.wandb import send
from seesaw.spec.scales import Scale
from seesaw.training import run_log


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """The records of B's offline run, and the folder of its files."""
    root = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        make(root, patch)
        for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY"):
            patch.delenv(name, raising=False)
        patch.setenv("WANDB_DIR", str(root))
        patch.setenv("HOME", str(root))
        scale = Scale("mini")
        model, parent = scale.model(B, 0), scale.model(A, 0)
        with Provenance(parent, inputs={}):
            parent.write_bytes(b"its parent's")
        run_log.begin(parent.with_name(run_log.NAME), {"id": "a-0"}, 0)
        inputs = {"manifest": scale.entry.manifest, "init_from": parent}
        with Provenance(model, inputs=inputs, config_hash="0123"):
            model.write_bytes(b"weights")
        log = model.with_name(run_log.NAME)
        run_log.begin(log, {"id": "b-0", "group": "g", "name": B, "tags": [], "seed": 0}, 0)
        with log.open("a") as file:
            file.write(run_log.dumped(run_log.step(20, {"loss": 0.5})))
        assert main(["evaluate", B, "--scale", "mini"]) == 0  # W&B is off: adds AP to the log alone
        assert not (root / "wandb").exists()
        assert main(["wandb-sync", B, "--scale", "mini", "--offline", "--weights"]) == 0
        (run,) = root.glob("wandb/offline-run-*")
        yield records(run), run / "files"


def test_examples_show_objects_and_detections_of_each_group(sent):
    made, files = sent
    shown = history(made)[-1]
    boxes = shown["val/examples.all_boxes"]
    assert shown["val/examples.captions"] == [f"image {i}" for i in (1, 2, 3, 4, 5, 11)]
    second = json.loads((files / boxes[1]["objects"]["path"]).read_text())["box_data"]
    assert [box["class_id"] for box in second] == [1, 2]
    assert [box["box_caption"] for box in second] == ["apple (f)", "pear / green (r)"]
    (found,) = json.loads((files / boxes[1]["detections"]["path"]).read_text())["box_data"]
    assert found["position"] == {"minX": 4, "maxX": 16, "minY": 4, "maxY": 16}
    assert found["class_id"] == 1 and found["scores"] == {"score": 0.9}
    mask = np.array(Image.open(files / shown["val/examples.all_masks"][1]["objects"]["path"]))
    assert np.bincount(mask.ravel()).tolist() == [40 * 40 - 2 * 144, 144, 144]


def test_precision_and_recall_of_all_apples_and_no_pear(sent):
    _, files = sent
    (table,) = files.rglob("*.table.json")
    lines = {}
    for _recall, line, precision in _rows(json.loads(table.read_text())):
        lines.setdefault(line, []).append(precision)
    assert {line: set(np.round(found, 6)) for line, found in lines.items()} == {
        "AP": {0.5},
        "AP_r": {0},
        "AP_f": {1},
    }


def test_a_training_that_has_begun_anew_is_sent_beside_the_one_before(bare, monkeypatch, printed):
    monkeypatch.setattr(wandb, "send", lambda *_: True)
    scale = Scale("mini")
    before = scale.model(B, 0).with_name(run_log.NAME)
    now, older = (scale.working(B, 0) / name / run_log.NAME for name in ("new", "old"))
    for seconds, log in ((2, before), (3, now), (1, older)):
        monkeypatch.setattr(run_log, "_now", lambda at=seconds: at)
        run_log.begin(log, {"id": f"b-{seconds}", "seed": 0}, 0)
    copied = scale.working(B, 0) / "of before" / run_log.NAME  # and all times are those of a copy
    copied.parent.mkdir()
    shutil.copy(before, copied)
    for seconds, log in enumerate((before, now, older, copied)):
        os.utime(log, (seconds, seconds))
    sent = printed("wandb-sync", B, "--scale", "mini").splitlines()
    assert sent == [f"{before}: sent as b-2", f"{now}: sent as b-3"]


def _rows(table):
    order = [table["columns"].index(name) for name in ("step", "lineKey", "lineVal")]
    return [[row[i] for i in order] for row in table["data"]]


def test_the_weights_are_an_artifact_that_names_what_they_were_made_of(sent):
    made, _ = sent
    (model,) = (
        r["artifact"] for r in made if r["type"] == "artifact" and r["artifact"]["type"] == "model"
    )
    assert {entry["path"] for entry in model["manifest"]["contents"]} == {
        "model.pth",
        "model.pth.provenance.json",
    }
    known = json.loads(model["metadata"])
    assert known["config_hash"] == "0123" and len(known["sha256"]) == 64
    made_from = known["made_from"]
    assert made_from["manifest"]["path"].endswith("manifest.json")
    assert made_from["init_from"]["artifact"] == "a-0" and "artifact" not in made_from["manifest"]


def test_the_summary_names_the_cells_of_the_tables(sent):
    made, _ = sent
    summary = {}
    for record in made:
        if record["type"] == "summary":
            summary |= record["summary"]["update"]
    assert "table_a1: + Seesaw Loss" in summary["val/cells"]
    assert summary["val/AP_f"] == pytest.approx(100)


def test_detections_of_other_annotations_are_one_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    make(tmp_path, monkeypatch)
    scale = Scale("mini")
    log = scale.model(B, 0).with_name(run_log.NAME)
    run_log.begin(log, {"id": "b-0", "group": "g", "name": B, "tags": [], "seed": 0}, 0)
    assert run_log.append_evaluation(log, B, {"AP": 50.0})
    path = scale.annotations("val")
    content = json.loads(path.read_text())
    content["images"][0]["height"] = 41
    path.write_text(json.dumps(content))
    capsys.readouterr()
    assert not send(log, "offline", scale, 0)
    said = capsys.readouterr().err
    assert "detections.jsonl" in said and "image 1" in said and said.count("\n") == 1


def test_a_log_without_its_first_line_is_one_warning(tmp_path, capsys):
    log = tmp_path / run_log.NAME
    log.write_text("{}\n")
    assert not send(log, "offline", Scale("mini"), 0)
    assert capsys.readouterr().err.count("\n") == 1


def test_categories_that_an_8_bit_mask_cannot_tell_apart_are_left_out(tmp_path, monkeypatch):
    make(tmp_path, monkeypatch)
    monkeypatch.setattr(wandb, "MOST", 1)
    scale = Scale("mini")
    shown = wandb._pictures(scale.table.evaluations[B], scale, 0, tmp_path)
    parts = [part for image in shown["images"] for part in image["boxes"].values()]
    assert len(shown["labels"]) == 2
    assert {box["class_id"] for part in parts for box in part["box_data"]} == {1}


def test_no_place_for_temporary_files_is_one_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert not send(tmp_path / run_log.NAME, "offline", Scale("mini"), 0)
    assert capsys.readouterr().err.count("\n") == 1
