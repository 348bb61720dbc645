"""The table itself: well formed, whole, and what the libraries themselves would ask for."""

import json
import re
from hashlib import sha256
from pathlib import Path

import mmengine
import pytest
from facts import lacks
from repository import REPOSITORY, copied

from seesaw.cli.main import main, parser
from seesaw.errors import UserError
from seesaw.spec import downloads, experiments, zoo
from seesaw.spec.config import backbone_checkpoint

TABLE = downloads.load()
HUB = Path(mmengine.__file__).parent / "hub"


def test_the_paper_scale_is_whole():
    assert len(TABLE.sets["lvis_v1"]) == 6
    assert sum(r.bytes for r in TABLE.sets["lvis_v1"].values()) == 27_214_093_950
    files = {r.made.as_posix(): r.counts for r in TABLE.sets["lvis_v1"].values()}
    assert files["data/lvis_v1/train2017"] == {"files": 118_287}
    assert files["data/lvis_v1/val2017"] == {"files": 5_000}
    assert files["data/lvis_v1/annotations/lvis_v1_val.json"]["images"] == 19_809


def test_the_known_digest_begins_as_the_name_says():
    for remote in [*TABLE.sets["pretrained"].values(), *TABLE.sets["zoo"].values()]:
        assert remote.sha256.startswith(re.search(r"-([0-9a-f]{8})\.pth$", remote.name)[1])


def test_every_backbone_of_the_configs_is_in_it_at_the_librarys_own_address():
    hub = json.loads((HUB / "openmmlab.json").read_text())
    vision = json.loads((HUB / "torchvision_0.12.json").read_text())
    asked = {backbone_checkpoint(t.config) for t in experiments.load().trainings.values()}
    assert asked == {r.checkpoint for r in TABLE.sets["pretrained"].values()}
    for remote in TABLE.sets["pretrained"].values():
        scheme, _, name = remote.checkpoint.partition("://")
        assert remote.urls[0] == (vision if scheme == "torchvision" else hub)[name]


def test_a_checkpoint_that_is_not_in_it_is_reported():
    assert TABLE.weights("work/own.pth") == Path("work/own.pth")
    with pytest.raises(UserError, match="`checkpoint: torchvision://resnet34`"):
        TABLE.weights("torchvision://resnet34")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("address: torchvision", "address: nowhere", r"sets\.pretrained\..*'lvis', 'coco'"),
        ("address: torchvision", "address: torchvision\n      set: zoo", r"pretrained\.\S+\.set\b"),
        ("address: torchvision", "address: [torchvision]", r"sets\.pretrained\..*'lvis', 'coco'"),
        ("- https://s3", "- s3: https://s3", r"addresses\.lvis\.0\b"),
        ("  lvis_v1:\n", "  lvis_v1: zip\n  more:\n", r"sets\.lvis_v1 .*'zip'"),
        ("bytes: 384629", "bytes: -1", r"\.bytes .*-1\b"),
        ("sha256: 5cae", "sha256: 5cxx", r"\.sha256 .*'5cxx"),
        ("counts: {files: 5000}", "count: 5000", r"val2017\.zip\.count\b"),
    ],
)
def test_a_mistake_is_one_sentence(root, old, new, said):
    text = (REPOSITORY / "configs/downloads.yaml").read_text()
    Path("own.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=f"^own.yaml: .*{said}"):
        downloads.load(Path("own.yaml"))


def test_a_set_may_be_empty(root):
    Path("own.yaml").write_text("addresses: {}\nsets:\n  zoo:\n")
    assert downloads.load(Path("own.yaml")).find("zoo") == []


def test_a_training_without_internet_starts_from_the_file(root, monkeypatch):
    """And its fingerprint, made of the checkpoint's name, knows no path."""
    from seesaw.cli import training
    from seesaw.training import train

    copied(root, "configs")
    Path("data/lvis_v1").mkdir(parents=True, exist_ok=True)
    manifest = {"categories": 1203, "hash": "", "splits": {}}
    Path("data/lvis_v1/manifest.json").write_text(json.dumps(manifest))
    Path("requirements.lock").touch()
    args = parser().parse_args(["train", "a01", "--scale", "paper", "--fingerprint", "f"])
    weights = Path("data/pretrained/resnet50-0676ba61.pth")
    again = "seesaw download pretrained"
    with pytest.raises(UserError, match=rf"{weights} .*`{again}`"):
        training.train(args)
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    with pytest.raises(UserError, match=rf"{weights} .*sha256.*`{again}`"):
        training.train(args)
    digest = sha256(b"weights").hexdigest()  # of a table that has this file
    table = Path("configs/downloads.yaml").read_text()
    table = table.replace(TABLE.sets["pretrained"][weights.name].sha256, digest)
    Path("configs/downloads.yaml").write_text(table.replace("0676ba61", digest[:8]))
    weights = weights.rename(weights.with_name(f"resnet50-{digest[:8]}.pth"))
    started = []

    def run(cfg, seed, work, output, *_, **__):
        started.append(cfg.model.backbone.init_cfg.checkpoint)
        output.parent.mkdir(parents=True)
        output.write_bytes(b"")
        return {"iterations": 1, "seconds_per_iteration": 1.0, "artefacts": []}

    monkeypatch.setattr(train, "train", run)
    monkeypatch.setattr(training, "check_data", lambda *_: None)  # LVIS is not here
    training.train(args)
    record = json.loads(
        Path("results/paper/a01_mask_rcnn/seed0/model.pth.provenance.json").read_text()
    )
    assert started == [str(weights)]
    assert record["inputs"]["pretrained"]["path"] == str(weights)


def test_a_released_model_that_is_another_file_is_not_converted(root, capsys):
    copied(root, "configs")
    file = zoo.model("zoo_mask_rcnn_r50_random").file.path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert main(["convert", "zoo_mask_rcnn_r50_random", "--scale", "paper"]) == 2
    assert not lacks(capsys.readouterr().err, file, "sha256", "`seesaw download zoo`")
    assert not Path("results").exists()
