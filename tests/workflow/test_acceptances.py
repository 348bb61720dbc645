"""What changed between two states, in words, and the file of what was accepted."""

import json
from hashlib import sha256

import pytest
from facts import lacks

from seesaw.core import paths
from seesaw.core.records import provenance_path
from seesaw.errors import UserError
from seesaw.spec.scales import Scale
from seesaw.training import run_log
from seesaw.workflow import acceptances

PARTS = {"config": {"a.b": 1, "a.c": [1, 2]}, "code": {"seesaw.x": "0"}, "dataset": "d"}
PARTS |= {"seed": 0, "parent": None}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "ACCEPTED", tmp_path / "accepted.yaml")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"config": {"a.b": 2, "a.c": [1, 2]}}, ["a.b 1 -> 2"]),
        (
            {"config": {"a.b": 1, "a.d": "x" * 40}},
            ["a.c [1, 2] -> null", f'a.d null -> "{"x" * 28}…'],
        ),
        ({"code": {"seesaw.x": "1", "seesaw.y": "0"}}, ["seesaw.x", "seesaw.y"]),
        ({"code": {f"m{i}": "0" for i in range(6)}}, ["m0", "m1", "m2", "m3", "3 more"]),
        ({"dataset": "e"}, ["data"]),
        ({"parent": "p"}, ["weights"]),
        ({"config": {"a.b": 2, "a.c": [1, 2]}, "parent": "p"}, ["a.b 1 -> 2", "weights"]),
    ],
)
def test_what_changed_is_named(change, expected):
    acceptances.remember("old", PARTS)
    acceptances.remember("new", PARTS | change)
    found = acceptances.changes("old", "new")
    assert [fact for said, fact in zip(found, expected, strict=True) if fact not in said] == []


def test_what_nobody_remembers_is_not_made_up():
    acceptances.remember("old", PARTS)
    (said,) = acceptances.changes("old", "new")
    assert not lacks(said, "code", "config")


def test_who_accepts_may_have_told_git_so_in_latin_1(tmp_path, monkeypatch):
    (tmp_path / "config").write_bytes(b"[user]\nname = Jos\xe9\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    assert acceptances._user() == "Jos\ufffd"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"config": {}}'])
def test_damaged_memories_are_none_and_are_written_again(text):
    acceptances.remember("old", PARTS)
    acceptances.remember("new", PARTS | {"parent": "p"})
    acceptances._parts("old").write_text(text)
    (said,) = acceptances.changes("old", "new")
    assert not lacks(said, "code", "config")
    acceptances.remember("old", PARTS)
    (said,) = acceptances.changes("old", "new")
    assert "weights" in said


ENTRY = """\
accepted:
- {training: a09, seed: 0, scale: paper, trained: 0123456789abcdef, accepted: %s,
   because: b, by: me, date: 2026-11-26}
"""


def test_an_entry_counts_for_its_scale_and_the_last_one_holds():
    assert acceptances.stands_for("paper") == {}
    new = "f" * 16
    again = ENTRY.replace("accepted:\n", "").replace("0123456789abcdef", "e" * 16)
    paths.ACCEPTED.write_text(ENTRY % new + again % new)
    assert acceptances.stands_for("paper") == {("train/a09/seed0", new): "e" * 16}
    assert acceptances.stands_for("mini") == {}


def test_a_wrong_entry_is_reported():
    paths.ACCEPTED.write_text(ENTRY % "later")
    with pytest.raises(UserError, match=r"accepted\.yaml: accepted\.0\.accepted .*'later'"):
        acceptances.load()


def test_seeds_that_only_claims_use_are_outdated_too(bare):
    scale = Scale("mini")
    for seed in (0, 1, 99):
        model = scale.model("mask_rcnn_random_ce", seed)
        model.parent.mkdir(parents=True)
        model.touch()
        provenance_path(model).write_text(json.dumps({"fingerprint": "old"}))
    keys = [f"train/mask_rcnn_random_ce/seed{seed}" for seed in (0, 1, 99)]
    found = acceptances.outdated(scale, dict.fromkeys(keys, "new"))
    assert found == dict.fromkeys(keys[:2], "old")  # nothing asks for seed 99


def test_a_finished_training_is_warned_of_if_no_checkpoint_brings_it_back(bare):
    scale = Scale("paper")
    parent, child = "train/a10_seesaw/seed0", "train/a11_dual_head/seed0"

    def found():
        known = dict.fromkeys((parent, child), "f")
        return {*acceptances.unexplained(scale, known, dict.fromkeys((child, parent), "why"))}

    assert found() == set()  # nothing is finished
    manifest = scale.entry.manifest
    manifest.parent.mkdir(parents=True)
    manifest.write_text("old")
    data = {"name": scale.entry.name, "manifest": sha256(b"old").hexdigest()}
    models, lasts = [], []
    for name in ("a10_seesaw", "a11_dual_head"):
        models.append(scale.model(name, 0))
        work = scale.work / name / "seed0/f"
        lasts.append(work / "iter_9.pth")
        for path in (models[-1], lasts[-1]):
            path.parent.mkdir(parents=True)
            path.touch()
        run_log.begin(work / run_log.NAME, {"dataset": data}, 0, iterations=9)
    assert found() == set()
    said = acceptances.warning(scale, {child: "a  reason"})
    assert not lacks(said, "a11_dual_head seed0 (a reason)", f"--touch {models[1]}", "rm ")
    lasts[1].unlink()
    assert found() == {child}
    lasts[0].unlink()  # the child would start from other weights
    lasts[1].touch()
    assert found() == {parent, child}
    models[0].unlink()
    assert found() == {child}
    lasts[0].touch()
    assert found() == set()
    manifest.write_text("new")  # no training goes on on other data
    assert found() == {child}
    manifest.write_text("old")
    models[0].write_text("other weights")
    start = {"path": str(models[0]), "sha256": data["manifest"]}
    provenance_path(models[1]).write_text(json.dumps({"inputs": {"init_from": start}}))
    assert found() == {child}
