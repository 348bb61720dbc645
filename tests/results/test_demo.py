"""The model in demo/: a fresh clone detects with it, and its AP is the one on its card."""

import json
import re
import shutil
from pathlib import Path

import pytest
from repository import REPOSITORY, copied

from seesaw.cli.main import main
from seesaw.errors import UserError
from seesaw.evaluation.detect import detect
from seesaw.evaluation.lvis_eval import load, match, metrics_of
from seesaw.results.publish import published
from seesaw.spec.config import resolve
from seesaw.spec.metrics import METRICS
from seesaw.spec.scales import Scale

DEMO = REPOSITORY / "demo"


@pytest.fixture
def without_data(tmp_path, monkeypatch):
    """A checkout that holds configs and the model alone."""
    monkeypatch.chdir(copied(tmp_path, "configs", "demo", "requirements.lock"))


def test_it_is_small_and_whole(without_data):
    sums = dict(line.split()[::-1] for line in (DEMO / "SHA256SUMS").read_text().splitlines())
    weights, facts, _ = published(DEMO)
    assert weights.stat().st_size < 3e6 and weights.name in sums
    assert facts["scale"] == "demo"


@pytest.mark.parametrize("name", ["mask_rcnn_rfs_seesaw-25adc141.pth", "category_counts.json"])
def test_a_changed_file_and_lost_sums_are_refused(tmp_path, name):
    folder = shutil.copytree(DEMO, tmp_path / "copy")
    (folder / "README.md").write_text("my own notes")
    assert published(folder)[1]["scale"] == "demo"
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=rf"{name} .*SHA256SUMS"):
        published(folder)
    (folder / name).write_bytes(content)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="`seesaw publish`"):
        published(folder)


@pytest.mark.slow
def test_the_call_of_the_readme_detects(without_data):
    assert main(["predict", "demo/example.png", "--weights", "demo"]) == 0
    found = json.loads(Path("predictions/example.json").read_text())
    assert max(a["score"] for a in found["annotations"]) > 0.3
    assert Path("predictions/example.png").is_file()


@pytest.mark.slow
def test_its_ap_is_that_of_its_card(without_data):
    assert main(["data", "--scale", "demo"]) == 0
    scale = Scale("demo")
    evaluation = scale.table.evaluation("mask_rcnn_rfs_seesaw")
    cfg = resolve(evaluation.config_path, scale)
    detect(cfg, published(DEMO)[0], Path("found.jsonl"), key="", work=Path())
    truth = load(scale.entry.root / scale.entry.val)
    metrics = metrics_of(match(Path("found.jsonl"), truth), truth)
    (row,) = re.findall(r"\| percent, val \| (.*) \|", (DEMO / "README.md").read_text())
    said = dict(zip(METRICS, map(float, row.split(" | ")), strict=True))
    for name, (kind, key) in METRICS.items():
        assert 100 * metrics[kind][key] == pytest.approx(said[name], abs=0.3), name
