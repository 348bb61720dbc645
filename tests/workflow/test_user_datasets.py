"""Folders of users in the workflow: any name, and what their correction makes stale."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import small_folder
from facts import lacks
from repository import planned, python, replace

from seesaw.cli import training
from seesaw.core.provenance import record
from seesaw.errors import UserError
from seesaw.spec import datasets
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.training import run_log, runs
from seesaw.workflow import dependencies

NAME = "it's my $(touch X) `touch X`;touch X & data"


def snakemake(*words):
    """What Snakemake says in the working directory."""
    done = python(Path(), "-m", "snakemake", "--profile", "profiles/local", *words)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_folders_name_is_data_to_the_shell(clone):
    folder = small_folder.make(clone / NAME)
    snakemake(f"{NAME}/manifest.json", "--config", "scale=smoke", f"dataset={NAME}")
    assert (folder / "manifest.json").is_file()
    assert "is complete" in (clone / f"logs/smoke@{NAME}/data.log").read_text()
    assert not list(clone.rglob("X"))


@pytest.mark.parametrize(
    "name", ["a{b}", "a\nb", "a: b", "a #b", "'ab'", "007", "1.10", "1e3", "-a", "[a]", "a ", "a:"]
)
def test_names_that_snakemake_cannot_take_are_refused_by_the_verbs_too(bare, name):
    folder = small_folder.make(bare / name)
    with pytest.raises(UserError, match=rf"^the dataset {re.escape(repr(name))} .*rename"):
        datasets.load(folder.name)


def test_braces_in_an_annotation_file_are_refused_too(tmp_path):
    folder = small_folder.make(tmp_path / "set")
    small_folder.path_of(folder, "train").rename(folder / "annotations/train{2024}.json")
    with pytest.raises(UserError, match=r"/set' .*braces"):
        datasets.load(str(folder))


@pytest.mark.parametrize("name", ["2024", "0", "2.5", "nan", "True"])
def test_a_number_names_a_folder_for_snakemake_too(bare, name):
    from snakemake.cli import parse_config

    small_folder.make(bare / name)
    assert datasets.load(name).root == Path(name)
    assert str(parse_config([f"dataset={name}"])["dataset"]) == name


def test_a_folder_here_has_no_slash_at_its_end_unless_an_entry_has_its_name(bare):
    """A shell completes it so; in another spelling all jobs would run again."""
    for name in ("mine", "mini_lvis"):
        small_folder.make(bare / name)
    assert Scale("smoke", "mine/").options == Scale("smoke", "mine").options
    assert Scale("smoke", "mini_lvis/").entry.root == Path("mini_lvis")
    assert Scale("smoke", "mini_lvis").entry.generate


def test_hidden_files_of_a_mac_are_no_annotations(tmp_path):
    folder = small_folder.make(tmp_path / "mac")
    (folder / "annotations/._train.json").write_bytes(b"\0\5\x16\7")
    assert datasets.load(str(folder)).train == "annotations/train.json"


def test_a_files_name_may_have_the_words_of_later_splits(tmp_path):
    folder = small_folder.make(tmp_path / "set")
    for split in ("train", "val"):
        path = small_folder.path_of(folder, split)
        path.rename(path.with_name(f"latest_medieval_{split}.json"))
    entry = datasets.load(str(folder))
    assert (entry.val, entry.test_dev) == (
        "annotations/latest_medieval_val.json",
        "annotations/test.json",
    )
    (folder / "annotations/test.json").unlink()
    assert datasets.load(str(folder)).test_dev is None


def test_commands_that_are_shown_can_be_pasted(tmp_path):
    folder = small_folder.make(tmp_path / "it's mine; really")
    command = snakemake_command(Scale("smoke", str(folder)), "all")
    split = subprocess.run(["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True)
    words = ["snakemake", "--profile", "local", "all", "--config", "scale=smoke"]
    assert split.stdout.decode().splitlines() == [*words, f"dataset={folder}"]


@pytest.mark.slow
def test_a_correction_makes_the_data_and_the_training_again(clone, printed):
    folder = small_folder.make(clone / "mine")
    options = ["--scale", "smoke", "--dataset", str(folder)]
    target = [f"{folder}/manifest.json", "--config", "scale=smoke", f"dataset={folder}"]

    def keys():
        return json.loads(printed("fingerprints", *options))

    snakemake(*target)
    before = keys()
    assert (
        planned(snakemake("-n", *target))
        == planned(snakemake("-n", *target[:-1], f"{target[-1]}/"))
        == {}
    )
    content = small_folder.read(folder, "train")
    for annotation in content["annotations"]:
        annotation["category_id"] = annotation["category_id"] % 4 + 1
    small_folder.write(folder, "train", content)
    said = printed("pretrain", "resnet18", *options, code=2)
    assert not lacks(said, "train.json: ", f"{folder}/manifest.json")
    assert "data" in planned(snakemake("-n", *target))
    after = keys()
    trained = {key for key in before if key.startswith("train/")}
    assert trained and all(before[key] != after[key] for key in trained)


def test_other_weights_in_a_file_of_ones_own_make_the_training_again(bare, monkeypatch):
    """The config names the file alone, and its name stays."""
    (bare / "configs/scales/own.yaml").write_text(
        "dataset: mini_lvis\nonly: [a01_mask_rcnn]\nset: {backbone_checkpoint: own.pth}\n"
    )
    scale, key = Scale("own"), "train/a01_mask_rcnn/seed0"
    monkeypatch.setattr(dependencies, "answer", lambda *_: dependencies.compute(scale))
    found = []
    for weights in (None, b"one", b"other", b"other"):
        if weights:
            (bare / "own.pth").write_bytes(weights)
        found.append(dependencies.cached(scale)[key])
    assert len(set(found)) == 3 and found[2] == found[3]
    dependencies.cached(scale)
    assert dependencies.known(scale)


def test_weights_in_a_file_of_ones_own_may_be_one_of_several_initialisations(bare):
    """mmengine takes a list of them."""
    row = "trainings:\n  listed: {schedule: 2x}\n"
    replace(bare / "configs/experiments.yaml", "trainings:\n", row, 1)
    init = "[dict(type='Kaiming', layer='Conv2d'), dict(type='Pretrained', checkpoint='own.pth')]"
    change = f"model = dict(backbone=dict(init_cfg={init}))"
    (bare / "configs/table_a1/listed.py").write_text(f"_base_ = './a01_mask_rcnn.py'\n{change}\n")
    (bare / "configs/scales/own.yaml").write_text("dataset: mini_lvis\nonly: [listed]\n")
    scale = Scale("own")
    assert dependencies.compute(scale)["weights"] == {"own.pth": None}
    listed = scale.table.training("listed")
    cfg = resolve(listed.config, scale, register=False)
    with pytest.raises(UserError, match=r"listed\.py: model\.backbone\.init_cfg"):
        training._starting_weights(listed, cfg, scale, 0)  # which `seesaw train` cannot replace


def test_a_stand_in_of_other_data_starts_no_training(bare, printed):
    folder = small_folder.make(bare / "mine")
    scale = Scale("smoke", str(folder))
    options = shlex.split(scale.options)
    printed("data", *options)
    weights = scale.pretrained("resnet18")
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    record(weights, inputs={"manifest": scale.entry.manifest})
    content = small_folder.read(folder, "train")
    content["annotations"].pop()
    small_folder.write(folder, "train", content)
    printed("data", *options)
    (said,) = printed("train", "a01", *options, "--fingerprint", "f", code=2).splitlines()
    assert not lacks(said, weights, "other data", f"`seesaw pretrain resnet18 {scale.options}`")
    assert not (bare / "work").exists()


def test_detections_on_other_data_are_not_scored(bare, printed):
    folder = small_folder.make(bare / "mine")
    scale = Scale("smoke", str(folder))
    options = shlex.split(scale.options)
    printed("data", *options)
    evaluation = scale.table.evaluation("b03")
    detections = scale.detections(evaluation, 0)
    detections.parent.mkdir(parents=True)
    detections.touch()
    record(detections, inputs={"manifest": scale.entry.manifest})
    small_folder.edit(folder, "val", lambda content: content["annotations"].pop())
    printed("data", *options)
    again = f"`seesaw detect {evaluation.id} {scale.options}`"
    for verb in ("evaluate", "errors"):
        said = printed(verb, "b03", *options, code=2)
        assert not lacks(said, detections, "other data", again)


@pytest.mark.parametrize("manifest", ["a" * 64, "b" * 64])
def test_a_training_on_other_data_is_not_resumed(tmp_path, manifest):
    log = tmp_path / run_log.NAME
    run_log.begin(log, {"dataset": {"name": "mine", "manifest": "a" * 64}}, 0)
    (tmp_path / "iter_1.pth").write_bytes(b"old")
    runs.set_aside(tmp_path, manifest)
    same = manifest == "a" * 64
    assert (log.exists(), (tmp_path / "iter_1.pth").exists()) == (same, same)
    kept = tmp_path / f"data-{'a' * 12}"
    assert same or (kept / "iter_1.pth").read_bytes() == b"old"


@pytest.mark.parametrize("known", [True, False])
def test_checkpoints_without_a_log_are_of_the_data_that_their_folder_names(tmp_path, known):
    if known:
        runs.set_aside(tmp_path, "a" * 64)
    checkpoint = tmp_path / "iter_1.pth"
    checkpoint.write_bytes(b"old")
    runs.set_aside(tmp_path, "a" * 64)
    assert checkpoint.exists() is known
    runs.set_aside(tmp_path, "b" * 64)
    assert [path.parent.name for path in tmp_path.rglob(checkpoint.name)] == [
        f"data-{'a' * 12}" if known else "data-unknown"
    ]


def test_checkpoints_come_back_with_their_data(tmp_path):
    checkpoint = tmp_path / "iter_1.pth"
    for manifest in ("a" * 64, "b" * 64):
        runs.set_aside(tmp_path, manifest)
        assert not checkpoint.exists()
        checkpoint.write_text(manifest)
    runs.set_aside(tmp_path, "a" * 64)
    assert checkpoint.read_text() == "a" * 64
    assert [path.name for path in tmp_path.glob("data-*")] == [f"data-{'b' * 12}"]
