"""Tables from small files of results alone: errors, steps, remarks, the same bytes again."""

import json
import shutil

import numpy as np
import pytest
from facts import lacks
from repository import replace

from seesaw.core import paths
from seesaw.core.provenance import write_failure
from seesaw.core.records import provenance_path
from seesaw.errors import UserError
from seesaw.evaluation import replicates
from seesaw.results.tables.collect import collect
from seesaw.results.tables.recorded import write_recorded
from seesaw.results.tables.render import FORMATS
from seesaw.spec import experiments
from seesaw.spec.scales import Scale

LADDER = ["a09_stronger_backbone", "a10_seesaw", "a11_dual_head", "a12_test_time_augmentation"]
TRAINED = LADDER[:3]


@pytest.fixture
def root(bare):
    """A copy of configs/ with two seeds for three rungs, and no results/."""
    rows = paths.EXPERIMENTS.read_text()
    for name in TRAINED:
        start = rows.index(f"  {name}:\n")
        rows = rows[:start] + rows[start:].replace("seeds: [0]", "seeds: [0, 1]", 1)
    paths.EXPERIMENTS.write_text(rows)
    return bare


def evaluated(scale, name, seed, ap, shift, remarks=(), annotations="abc"):
    """Write what evaluate leaves: AP ``ap`` and four replicates spread around it."""
    metrics = {
        "segm": {"AP": ap, "AP_r": None, "AP_c": ap, "AP_f": ap},
        "bbox": {"AP": ap + 0.02},
    }
    evaluation = experiments.load().evaluations[name]
    path = scale.metrics(evaluation, seed)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(metrics))
    drawn = ap + shift * np.array([-0.01, 0.01, -0.01, 0.01])
    drawn = np.stack([drawn, np.full(4, np.nan), drawn, drawn], axis=1)
    kinds = {"segm": drawn, "bbox": drawn + 0.02}
    replicates.save(scale.replicates(evaluation, seed), metrics, kinds, annotations)
    provenance_path(path).write_text(json.dumps({"remarks": list(remarks), "host": "h"}))
    return path


def ladder(scale):
    """Two seeds of four rows: AP 20 and 22, 30 and 34, 31 and 34, 32 and 35 percent."""
    rows = zip(LADDER, [(0.20, 0.22), (0.30, 0.34), (0.31, 0.34), (0.32, 0.35)], strict=True)
    for number, (name, values) in enumerate(rows):
        for seed, ap in enumerate(values):
            evaluated(scale, name, seed, ap, shift=1 + number)


def rows_of(scale):
    return {r.id: r for r in collect("table_a1", scale).rows}


def test_a_table_with_a_flipped_byte_is_written_again(root):
    scale = Scale("mini")
    ladder(scale)
    made = collect("table_a1", scale)
    path = write_recorded(made, scale)["md"]
    right = path.read_bytes()
    path.write_bytes(right[:9] + b"\xff" + right[10:])
    write_recorded(made, scale)
    assert path.read_bytes() == right


def test_errors_and_steps_come_from_images_and_seeds(root):
    scale = Scale("mini")
    ladder(scale)
    found = rows_of(scale)
    base, loss = (found[name] for name in LADDER[:2])
    sd = 2 / 3**0.5  # of -1, 1, -1, 1
    assert (loss.metrics["AP"], loss.metrics["AP_r"]) == (pytest.approx(32.0), None)
    error = loss.errors["AP"]
    assert (error.seeds, error.spread) == (2, pytest.approx(8**0.5, abs=1e-5))
    assert error.images == pytest.approx(2 * sd, abs=1e-5)  # the replicates of both seeds agree
    assert error.se == pytest.approx((4 * sd**2 + 8 / 2) ** 0.5, abs=1e-5)
    assert "AP_r" not in loss.errors and "AP_r" not in loss.steps
    step = loss.steps["AP"]
    assert step.value == pytest.approx(11.0)  # 10 and 12, paired over seeds
    assert step.images == pytest.approx(sd, abs=1e-5)
    assert step.spread == pytest.approx(2**0.5, abs=1e-5)
    assert base.steps == {}  # the row above was not run


def test_a_row_of_earlier_weights_says_so(root):
    scale = Scale("mini")
    ladder(scale)
    evaluation = scale.table.evaluations[LADDER[0]]
    weights, found = scale.model(LADDER[0], 1), scale.detections(evaluation, 1)
    for now, note in (("aa", ""), ("bb", weights.as_posix())):
        of = {"path": weights.as_posix(), "sha256": now}
        provenance_path(weights).write_text(json.dumps({"artefact": of}))
        used = {"weights": of | {"sha256": "aa"}}
        provenance_path(found).write_text(json.dumps({"inputs": used}))
        row = rows_of(scale)[LADDER[0]]
        assert row.state == "done" and note in row.note and bool(row.note) is bool(note)
    shutil.copytree(scale.results, scale.reference)
    assert rows_of(scale.frozen())[LADDER[0]].note == ""  # of what is here it knows nothing


def test_a_step_knows_how_many_trainings_lie_between(root):
    scale = Scale("mini")
    ladder(scale)
    found = rows_of(scale)
    between = [found[name].trainings for name in LADDER[1:]]
    assert between == [2, 1, 0]  # trained apart, trained on from it, the same weights


def test_an_increment_is_compared_only_where_the_paper_has_the_same_row_above(root):
    """A rung of one's own at the end of the trainings stands between a11 and a12."""
    own = "  own:\n    schedule: 1x\n    cell: {table_a1: own}\n\nevaluations:"
    replace(paths.EXPERIMENTS, "\nevaluations:", own, 1)
    found = rows_of(Scale("mini"))
    assert [*found][-3:] == ["a11_dual_head", "own", "a12_test_time_augmentation"]
    above, own, below = (found[name].paper for name in [*found][-3:])
    assert above["increments"].keys() == {"AP", "AP_box"} and own is None
    assert below["increments"] == {} and below["AP"] > above["AP"]


def test_remarks_of_the_whole_chain_stand_below_the_table(root):
    scale = Scale("mini")
    ladder(scale)
    weights = scale.model("a10_seesaw", 1)
    provenance_path(weights).write_text(json.dumps({"remarks": ["batches of 8", "batches of 8"]}))
    found = rows_of(scale)
    assert [found[name].remarks for name in LADDER] == [[], *[["batches of 8"]] * 3]
    made = collect("table_a1", scale)
    text = FORMATS["txt"](made)
    assert "+ Seesaw Loss [1]" in text and "\n[1] batches of 8\n" in text


def test_tables_come_back_the_same_bytes_from_small_files_alone(root):
    scale = Scale("mini")
    ladder(scale)
    made = collect("table_a1", scale)
    before = {suffix: render(made) for suffix, render in FORMATS.items()}
    for path in sorted(root.glob("results/**/*.json")):
        path.touch()
    again = collect("table_a1", scale)
    assert {suffix: render(again) for suffix, render in FORMATS.items()} == before
    link = '<a href="../a10_seesaw/seed0/a10_seesaw/metrics.json.provenance.json">'
    assert link in before["html"]
    assert (scale.tables / link.split('"')[1]).resolve().is_file()
    assert not any('"h"' in content for content in before.values())  # no host


def test_rows_without_replicates_say_so_and_are_not_judged(root):
    scale = Scale("mini")
    ladder(scale)
    evaluation = experiments.load().evaluations["a10_seesaw"]
    scale.replicates(evaluation, 1).unlink()
    found = rows_of(scale)
    row = found["a10_seesaw"]
    assert (row.metrics["AP"], row.errors, row.steps) == (pytest.approx(32.0), {}, {})
    assert "replicates.json is missing" in row.note
    assert found["a11_dual_head"].steps == {} and found["a11_dual_head"].errors


def test_other_annotations_or_metrics_are_refused(root):
    scale = Scale("mini")
    ladder(scale)
    path = scale.metrics(experiments.load().evaluations["a10_seesaw"], 0)
    replace(path, "0.3,", "0.31,")
    with pytest.raises(UserError, match=r"replicates\.json .*metrics"):
        rows_of(scale)
    shutil.rmtree(path.parent)
    evaluated(scale, "a10_seesaw", 0, 0.30, 2, annotations="changed")
    with pytest.raises(UserError, match=r"a09_stronger_backbone .*a10_seesaw: .*annotations"):
        rows_of(scale)


def test_a_timing_that_failed_is_told_below_the_table(root):
    scale = Scale("mini")
    evaluated(scale, "b03_htc_lite", 0, 0.2, 1)
    write_failure(scale.speed, "no memory")
    made = collect("table_a2", scale)
    (note,) = made.notes
    assert not lacks(note, "fps", "no memory") and f"\n{note}\n" in FORMATS["txt"](made)
