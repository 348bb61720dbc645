"""Column fps and the lines below Table A2, from a hand-made speed.json."""

import copy
import json
import shutil

import pytest

from seesaw.core import paths
from seesaw.results.tables.collect import collect
from seesaw.results.tables.render import text
from seesaw.results.tables.speed_notes import gpu_notes, speed_notes
from seesaw.spec import experiments
from seesaw.spec.scales import Scale

ROWS = ["b01_cascade_mask_rcnn", "b02_htc_without_semantic", "b03_htc_lite"]
TABLE = experiments.load().only(ROWS, paths.EXPERIMENTS)
LABELS = dict(zip(ROWS, ["Cascade Mask R-CNN", "HTC w/o semantic", "HTC-Lite"], strict=True))


def modes(ours, mmdet, old, names=ROWS):
    columns = dict(old=old, mmdet=mmdet, ours=ours)
    return {mode: dict(zip(names, values, strict=True)) for mode, values in columns.items()}


MEASURED = {
    "fps": modes([17.25, 18.0, 24.5], [8.96, 11.8, 18.1], [10.6, 9.94, 18.0]),
    "rounds": {"ours": dict.fromkeys(ROWS, [1.0] * 5)},
    "detections_per_image": {"ours": dict(zip(ROWS, [50.0, 49.4, 44.0], strict=True))},
    "resolution": [144, 163],
    "classes": 48,
    "threads": 1,
    "device": "x86_64",
    "post_processing": {
        "fps": modes([7.69, 118.0], [0.0228, 0.22], [0.0352, 0.22], [ROWS[0], ROWS[2]]),
        "mask_heads": {ROWS[0]: 3, ROWS[2]: 1},
        "detections": 300,
        "classes": 1203,
        "resolution": [480, 640],
    },
    "training_seconds_per_iteration": {ROWS[0]: 0.2149, ROWS[1]: None, ROWS[2]: 0.2},
}


def test_notes_tell_all_modes_where_they_were_measured_and_why():
    fps, post, training = speed_notes(MEASURED, LABELS, "mini")
    assert fps == (
        "fps (mini scale, 163 x 144 px, 48 classes, 44 to 50 detections an image, x86_64, 1 thread,"
        " median of 5 rounds), ours / as mmdet 3 ships / the old way: Cascade Mask R-CNN "
        "17 / 9 / 11; HTC w/o semantic 18 / 12 / 9.9; HTC-Lite 24 / 18 / 18."
    )
    assert post.startswith(
        "Post-processing alone, images/s on the CPU (1,203 classes, 300 detections, 640 x 480 px, "
        "random weights; NMS, mask predictor, pasting, encoding), same order: Cascade Mask R-CNN "
        "(3 mask heads) 7.7 / 0.023 / 0.035; HTC-Lite (1 mask head) 118 / 0.22 / 0.22. "
    )
    assert post.endswith(
        "The paper's 0.1, 0.1 and 2.8 fps (one V100): three mask heads, three, one."
    )
    assert (
        training
        == "Seconds a training iteration (mini scale): Cascade Mask R-CNN 0.21; HTC-Lite 0.20."
    )


def test_what_was_not_measured_is_left_out():
    measured = MEASURED | {"post_processing": {}, "training_seconds_per_iteration": {}}
    (only,) = speed_notes(measured, LABELS, "mini")
    assert only.startswith("fps (mini scale")


@pytest.fixture
def scale(tmp_path, monkeypatch):
    """Table A2's scale with hand-made metrics."""
    shutil.copytree(paths.CONFIGS, tmp_path / "configs")
    for name in ("EXPERIMENTS", "PAPER_VALUES", "DATASETS", "SCALES", "CONFIGS"):
        inside = getattr(paths, name).relative_to(paths.ROOT)
        monkeypatch.setattr(paths, name, tmp_path / inside)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    scale, table = Scale("mini"), experiments.load()
    values = dict.fromkeys(("AP", "AP_r", "AP_c", "AP_f"), 0.1)
    for name in ROWS:
        path = scale.metrics(table.evaluations[name], 0)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"segm": values, "bbox": {"AP": 0.2}}))
    return scale


def test_the_column_shows_ours(scale):
    scale.speed.write_text(json.dumps(MEASURED))
    table = collect("table_a2", TABLE, scale)
    assert [row.metrics["fps"] for row in table.rows] == [17.25, 18.0, 24.5]
    assert table.notes == speed_notes(MEASURED, LABELS, "mini")
    assert "as mmdet 3 ships / the old way" in " ".join(text(table).split())
    assert collect("table_a1", experiments.load(), scale).notes == []


@pytest.mark.parametrize("older", [None, {"fps": dict.fromkeys(ROWS, 9.0)}, {}])
def test_without_a_measurement_of_ours_the_column_was_not_run(scale, older):
    if older is not None:
        scale.speed.write_text(json.dumps(older))
    table = collect("table_a2", TABLE, scale)
    assert [row.column_state("fps") for row in table.rows] == ["not run"] * 3
    assert table.notes == []


def test_a_row_that_was_not_timed_is_left_out(scale):
    measured = copy.deepcopy(MEASURED)
    for found in measured["fps"].values():
        del found[ROWS[1]]
    scale.speed.write_text(json.dumps(measured))
    table = collect("table_a2", TABLE, scale)
    assert [row.value("fps") for row in table.rows] == [17.25, None, 24.5]
    assert "HTC w/o semantic" not in table.notes[0]


def test_at_paper_scale_a_gpus_measurement_stands_beside_the_papers(scale, tmp_path):
    folder = tmp_path / "configs/costs"
    shutil.rmtree(folder)  # without the measurements that are committed
    (nothing,) = collect("table_a2", TABLE, Scale("paper")).notes
    assert "was not measured" in nothing and "0.1, 0.1 and 2.8 fps" in nothing
    measured = {
        name: {mode: {"fps": fps[name], "parts": {}} for mode, fps in MEASURED["fps"].items()}
        for name in ROWS[:2]
    } | {ROWS[2]: {"failed": "out of memory"}}
    content = dict(device="V9", memory_gigabytes=80.0, scale="paper", date="2030-01-01")
    folder.mkdir()
    (folder / "v9.yaml").write_text(json.dumps(content | {"fps": measured}))
    (folder / "v9.mini.yaml").write_text(json.dumps(content | {"scale": "mini", "fps": measured}))
    (folder / "cpu.yaml").write_text(
        json.dumps(content | {"memory_gigabytes": None, "fps": measured})
    )
    (note,) = collect("table_a2", TABLE, Scale("paper")).notes
    rows = "Cascade Mask R-CNN 17 / 9 / 11; HTC w/o semantic 18 / 12 / 9.9. The paper's 0.1, 0.1"
    assert "on a V9 (2030-01-01" in note and rows in note
    assert collect("table_a1", experiments.load(), Scale("paper")).notes == []
    assert gpu_notes(folder, LABELS) == [note]
