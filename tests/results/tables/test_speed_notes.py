"""Column fps and the lines below Table A2, from a hand-made speed.json."""

import copy
import json
import shutil

import pytest
from facts import lacks, refusal

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.results.tables.collect import collect
from seesaw.results.tables.render import text
from seesaw.results.tables.speed_notes import gpu_notes, speed_note
from seesaw.spec import experiments
from seesaw.spec.scales import Scale

ROWS = ["b01_cascade_mask_rcnn", "b02_htc_without_semantic", "b03_htc_lite"]
PAPERS = "0.1, 0.1 and 2.8 fps"
LABELS = dict(zip(ROWS, ["Cascade Mask R-CNN", "HTC w/o semantic", "HTC-Lite"], strict=True))


def modes(ours, mmdet, old):
    columns = dict(old=old, mmdet=mmdet, ours=ours)
    return {mode: dict(zip(ROWS, values, strict=True)) for mode, values in columns.items()}


MEASURED = {
    "fps": modes([17.25, 18.0, 24.5], [8.96, 11.8, 18.1], [10.6, 9.94, 18.0]),
    "rounds": {"ours": dict.fromkeys(ROWS, [1.0] * 5)},
    "detections_per_image": {"ours": dict(zip(ROWS, [50.0, 49.4, 44.0], strict=True))},
    "resolution": [144, 163],
    "classes": 48,
    "threads": 1,
    "device": "x86_64",
}


def test_a_note_tells_all_modes_and_where_they_were_measured():
    note = speed_note(MEASURED, LABELS, "mini")
    where = ("163 x 144 px", "48 classes", "44 to 50", "x86_64", "1 thread", "5 rounds")
    rows = "Cascade Mask R-CNN 17 / 9 / 11; HTC w/o semantic 18 / 12 / 9.9; HTC-Lite 24 / 18 / 18"
    assert not lacks(note, "mini scale", *where, rows)


@pytest.fixture
def scale(bare):
    """Table A2's scale with hand-made metrics."""
    scale, table = Scale("mini"), experiments.load()
    values = dict.fromkeys(("AP", "AP_r", "AP_c", "AP_f"), 0.1)
    for name in ROWS:
        path = scale.metrics(table.evaluations[name], 0)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"segm": values, "bbox": {"AP": 0.2}}))
    return scale


def test_the_column_shows_ours(scale):
    scale.speed.write_text(json.dumps(MEASURED))
    table = collect("table_a2", scale)
    assert [row.metrics["fps"] for row in table.rows] == [17.25, 18.0, 24.5]
    assert table.notes == [speed_note(MEASURED, LABELS, "mini")]
    assert not lacks(text(table), "HTC w/o semantic 18 / 12 / 9.9")
    assert collect("table_a1", scale).notes == []


@pytest.mark.parametrize("older", [None, {"fps": dict.fromkeys(ROWS, 9.0)}, {}])
def test_without_a_measurement_of_ours_the_column_was_not_run(scale, older):
    if older is not None:
        scale.speed.write_text(json.dumps(older))
    table = collect("table_a2", scale)
    assert [row.column_state("fps") for row in table.rows] == ["not run"] * 3
    assert table.notes == []


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": [144]},
        {"classes": None},
        {"rounds": {}},
        {"rounds": {"ours": {ROWS[0]: [0.0]}}},
        {"fps": MEASURED["fps"] | {"old": {}}},
        {"fps": MEASURED["fps"] | {"old": 9.0}},
    ],
)
def test_a_file_that_lacks_what_the_notes_tell_is_damaged(scale, change):
    scale.speed.write_text(json.dumps(MEASURED | change))
    with pytest.raises(UserError, match=f"^{scale.speed} is damaged .*make it again"):
        collect("table_a2", scale)


def test_a_row_that_was_not_timed_is_left_out(scale):
    measured = copy.deepcopy(MEASURED)
    for found in measured["fps"].values():
        del found[ROWS[1]]
    scale.speed.write_text(json.dumps(measured))
    table = collect("table_a2", scale)
    assert [row.value("fps") for row in table.rows] == [17.25, None, 24.5]
    assert "HTC w/o semantic" not in table.notes[0]


def test_a_gpus_measurement_stands_beside_the_papers(scale, tmp_path):
    folder = tmp_path / "configs/costs"
    shutil.rmtree(folder)  # without the measurements that are committed
    (nothing,) = collect("table_a2", Scale("paper")).notes
    assert not lacks(nothing, "`seesaw preflight --scale paper --measure fps`", PAPERS)
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
    (note,) = collect("table_a2", Scale("paper")).notes
    rows = "Cascade Mask R-CNN 17 / 9 / 11; HTC w/o semantic 18 / 12 / 9.9."
    assert not lacks(note, "V9", "2030-01-01", rows, PAPERS)
    assert collect("table_a1", Scale("paper")).notes == []
    assert gpu_notes(LABELS) == [note]


def test_a_gpu_that_timed_none_of_a_tables_rows_has_no_note(bare):
    of_a2 = gpu_notes(LABELS)  # of the measurements that are committed
    of_others = gpu_notes({"a01_mask_rcnn": "Mask R-CNN"})
    shutil.rmtree(paths.CONFIGS / "costs")
    assert of_others == gpu_notes(LABELS) != of_a2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fps": [1]}, "fps"),
        ({"fps": {ROWS[0]: None}}, f"fps.{ROWS[0]}"),
        ({"fps": {ROWS[0]: {"ours": {"fps": 1.0}}}}, "ours, mmdet, old, or failed"),
        ({"fps": {ROWS[0]: {"ours": {"fps": "fast"}}}}, f"fps.{ROWS[0]}.ours.fps"),
        ({"device": None}, "device"),
    ],
)
def test_a_gpus_measurement_that_a_hand_has_damaged_is_named(bare, change, said):
    content = dict(device="V9", memory_gigabytes=80.0, scale="paper", date="2030-01-01", fps={})
    (paths.CONFIGS / "costs/v9.yaml").write_text(json.dumps(content | change))
    assert said in refusal(gpu_notes, LABELS)
