"""No number of a damaged chain stands in a table."""

import json

import pytest
from facts import lacks
from finished_run import evaluated, flip

from seesaw.core import integrity
from seesaw.core.integrity import corrupted
from seesaw.core.records import read_record
from seesaw.results.tables.collect import collect


def a01(scale):
    return next(r for r in collect("table_a1", scale).rows if r.id == "a01_mask_rcnn")


def test_a_whole_chain_is_shown(scale, run):
    row = a01(scale)
    assert (row.state, row.metrics["AP"], row.metrics["AP_r"]) == ("done", 20.0, 10.0)
    assert corrupted(run.values()) is None


@pytest.mark.parametrize("name", ["weights", "detections", "metrics", "matches"])
def test_a_changed_byte_in_any_file_of_the_chain_takes_the_number_out(scale, run, name):
    flip(run[name])
    row = a01(scale)
    assert row.state == "failed" and row.metrics is None
    assert not lacks(row.note, "seed 0", run[name], "sha256 ")


def test_metrics_alone_are_enough(scale, run):
    for name in ("weights", "detections", "matches", "manifest"):
        run[name].unlink()
    assert a01(scale).metrics["AP"] == 20.0


def test_a_parent_that_is_damaged_takes_the_childs_number_out(scale):
    parent = evaluated(scale, "a10_seesaw")
    evaluated(scale, "a11_dual_head")
    flip(parent["weights"])
    rows = {r.id: r.state for r in collect("table_a1", scale).rows}
    assert (rows["a10_seesaw"], rows["a11_dual_head"]) == ("failed", "failed")


def test_a_large_file_is_hashed_again_when_anything_of_it_changed(scale, run, monkeypatch):
    monkeypatch.setattr(integrity, "LARGE", 0)
    assert corrupted(run.values()) is None
    known = read_record(integrity.paths.CACHE / "hashes.json")
    assert set(known) == {str(p) for p in run.values()}
    with monkeypatch.context() as patch:
        patch.setattr(integrity, "sha256_file", lambda path: "hashed again")
        assert corrupted(run.values()) is None
    flip(run["weights"])  # the same size and time of modification
    assert str(run["weights"]) in corrupted(run.values())


def test_hashes_that_another_process_has_cached_stay(scale, run, monkeypatch):
    monkeypatch.setattr(integrity, "LARGE", 0)
    first, second, *_ = run.values()
    cache = integrity.paths.CACHE / "hashes.json"
    known = integrity.sha256_of(first)
    cache.write_text(json.dumps(read_record(cache) | {"another": {}}))
    assert integrity.sha256_of(second) and integrity.sha256_of(first) == known
    assert set(read_record(cache)) == {str(first), "another", str(second)}
