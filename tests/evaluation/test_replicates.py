"""The small file of replicates that tables get their standard errors from."""

import json

import numpy as np
import pytest

from seesaw.errors import UserError
from seesaw.evaluation import replicates

METRICS = {
    "segm": {"AP": 0.123456, "AP_r": None, "AP_c": 0.05, "AP_f": 0.5},
    "bbox": {"AP": 0.2, "AP_r": 0.9},
}


def made(folder, count=500, seed=0):
    rng = np.random.default_rng(seed)
    drawn = {kind: rng.uniform(0, 1, (count, 4)) for kind in ("segm", "bbox")}
    for column in drawn["segm"], drawn["bbox"]:
        column[:, 1] = np.nan
    path = folder / "replicates.json"
    replicates.save(path, METRICS, drawn, "abc")
    return path, drawn


def test_replicates_come_back_to_a_thousandth_of_a_point(tmp_path):
    path, drawn = made(tmp_path)
    assert path.stat().st_size < 20_000
    back = replicates.load(path, METRICS)
    assert back.annotations == "abc"
    assert back.estimate == {"AP": 12.3456, "AP_r": None, "AP_c": 5, "AP_f": 50, "AP_box": 20}
    assert np.isnan(back.drawn["AP_r"]).all() and back.drawn["AP_r"].shape == (500,)
    columns = {"AP": ("segm", 0), "AP_c": ("segm", 2), "AP_f": ("segm", 3), "AP_box": ("bbox", 0)}
    for name, (kind, column) in columns.items():
        assert abs(back.drawn[name] - 100 * drawn[kind][:, column]).max() < 0.51e-3


def test_the_same_replicates_give_the_same_bytes(tmp_path):
    first = made(tmp_path)[0].read_bytes()
    assert made(tmp_path)[0].read_bytes() == first != made(tmp_path, seed=1)[0].read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["replicates.json"]


def test_a_missing_damaged_or_foreign_file_is_told_in_one_sentence(tmp_path):
    path = made(tmp_path)[0]
    whole = path.read_text()
    with pytest.raises(UserError, match=r"no\.json .*missing"):
        replicates.load(tmp_path / "no.json", METRICS)
    shorter = json.loads(whole)
    shorter["AP"].pop()
    for broken in ("", "[]", whole[:-3], whole.replace('"AP_f"', '"AP_g"'), json.dumps(shorter)):
        path.write_text(broken)
        with pytest.raises(UserError, match=f"{path} .*damaged"):
            replicates.load(path, METRICS)
    path.write_text(whole)
    other = METRICS | {"bbox": {"AP": 0.2001}}
    with pytest.raises(UserError, match=rf"{path} .*\bmetrics\.json"):
        replicates.load(path, other)
