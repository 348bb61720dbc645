"""Every file of a run is damaged in five ways; the verb that reads it refuses in one sentence."""

import json
import os
import shutil
from pathlib import Path

import pytest

from seesaw.cli.main import main
from seesaw.core import attempts, paths
from seesaw.core.provenance import record

pytestmark = pytest.mark.slow
RUN = "results/smoke/a01_mask_rcnn/seed0"
OWN = f"{RUN}/a01_mask_rcnn"
PREDICT = "predict data/smoke_lvis/val/000000100001.png --model a01"
READ = {
    "data/smoke_lvis/manifest.json": ("train a01", "detect a01", "evaluate a01"),
    "data/smoke_lvis/category_counts.json": ("train a01",),
    "data/smoke_lvis/annotations/train.json": ("train a01",),
    "data/smoke_lvis/annotations/val.json": ("detect a01", "evaluate a01"),
    "results/smoke/pretrained/resnet18.pth": ("train a01",),
    f"{RUN}/model.pth": ("detect a01", "table table_a1", PREDICT),
    f"{RUN}/model.pth.provenance.json": ("detect a01", "table table_a1", PREDICT),
    f"{OWN}/detections.jsonl": ("evaluate a01", "table table_a1"),
    f"{OWN}/metrics.json": ("table table_a1",),
    f"{OWN}/metrics.json.provenance.json": ("table table_a1",),
    f"{OWN}/matches.npz": ("table table_a1",),
    f"{OWN}/replicates.json": ("table table_a1",),
    "results/smoke/speed.json": ("table table_a2",),
}


def flipped(content):
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGE = {"flip": flipped, "cut": lambda content: content[: len(content) // 2]}
DAMAGE |= {text: lambda _, text=text: text.encode() for text in ("{}", "[]", "null")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, here = tmp_path_factory.mktemp("root"), Path.cwd()
    for name in ("configs", "workflow", "Snakefile", "requirements.lock", "environment.yml"):
        (root / name).symlink_to(paths.ROOT.resolve() / name)
    os.chdir(root)
    try:
        for words in ("data", "pretrain resnet18", "train a01", "detect a01", "evaluate a01"):
            assert main([*words.split(), "--scale", "smoke"]) == 0
        Path("results/smoke/speed.json").write_text(json.dumps({"fps": {}}))
        record(Path("results/smoke/speed.json"))
        for place in ("table_a1", "table_a2"):
            assert main(["table", place, "--scale", "smoke"]) == 0
        yield root
    finally:
        os.chdir(here)


@pytest.fixture
def damaged(root, request, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    path, how = request.param
    content = Path(path).read_bytes()
    Path(path).write_bytes(DAMAGE[how](content))
    yield Path(path), how
    Path(path).write_bytes(content)


@pytest.mark.parametrize("damaged", [(p, d) for p in READ for d in DAMAGE], indirect=True)
def test_the_verb_that_reads_it_refuses(damaged, capsys):
    path, how = damaged
    is_record = path.name.endswith(".provenance.json")
    if is_record and how == "flip":
        pytest.skip("a flipped byte of a record may lie in a field that nothing reads")
    before = {p: p.stat().st_mtime_ns for p in Path("results").rglob("*") if p != path}
    for verb in READ[str(path)]:
        assert main([*verb.split(), "--scale", "smoke"]) == 2, verb
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith(f"seesaw {verb.split()[0]}: ") and str(path) in message
    after = {p: p.stat().st_mtime_ns for p in Path("results").rglob("*") if p != path}
    assert {p: t for p, t in after.items() if p.is_file()} == {
        p: t for p, t in before.items() if p.is_file()
    }
    if how != "{}":
        return
    assert main(["verify", "--scale", "smoke"]) == 1
    assert str(path).removesuffix(".provenance.json") in capsys.readouterr().out


def test_a_truncated_image_is_noticed(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    image = min(Path("data/smoke_lvis/val").iterdir())
    content = image.read_bytes()
    image.write_bytes(content[: len(content) // 2])
    assert main(["detect", "a01", "--scale", "smoke"]) == 2
    assert "data/smoke_lvis/annotations/val.json: its images" in capsys.readouterr().err
    image.write_bytes(content)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null"])
def test_damaged_caches_are_made_again(root, monkeypatch, text):
    monkeypatch.chdir(root)
    attempts.begin(paths.ROOT, Path(OWN, "metrics.json"), None)  # as of one that was killed
    for path in Path(".cache").rglob("*.json"):
        path.write_text(text)
    assert main(["evaluate", "a01", "--scale", "smoke"]) == 0
    assert json.loads(Path(OWN, "metrics.json.provenance.json").read_text())["attempt"] == 1
    shutil.rmtree(".cache/fingerprints", ignore_errors=True)
