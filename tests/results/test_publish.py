"""`seesaw publish`: the folder in mmdet and in `seesaw predict`."""

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from facts import lacks
from mmdet.apis import inference_detector, init_detector
from pycocotools import mask as rle
from repository import copied, seesaw

from seesaw.cli.main import main
from seesaw.core.files import sha256_file
from seesaw.core.records import provenance_path
from seesaw.errors import UserError
from seesaw.results.publish import CARD, published, row_and_claims
from seesaw.spec import claims as claim_table
from seesaw.spec.experiments import Evaluation
from seesaw.spec.scales import Scale

TRAINING = "b03_htc_lite"


@pytest.fixture(scope="module")
def root(smoke_root):
    """A folder with a trained, evaluated and published model."""
    for verb in ("train", "detect", "evaluate", "publish"):
        seesaw(smoke_root, verb, "b03")
    return smoke_root


@pytest.fixture
def folder(root, monkeypatch):
    monkeypatch.chdir(root)
    (made,) = Path("published").iterdir()
    return made


@pytest.mark.slow
def test_weights_of_a_training_name_their_classes(root, monkeypatch):
    monkeypatch.chdir(root)
    (model,) = Path("results/smoke").glob("b03*/seed0/model.pth")
    counts = json.loads(Path("data/smoke_lvis/category_counts.json").read_text())
    meta = torch.load(model, weights_only=True)["meta"]["dataset_meta"]
    assert meta["classes"] == [c["name"] for c in counts["categories"]]


@pytest.mark.slow
def test_mmdet_and_predict_detect_the_same_with_our_names(folder, tmp_path):
    image = min(Path("data/smoke_lvis/val").glob("*"))
    assert main(["predict", str(image), "--weights", str(folder), "--out", str(tmp_path)]) == 0
    ours = json.loads((tmp_path / image.name).with_suffix(".json").read_text())

    model = init_detector(str(folder / "config.py"), str(published(folder)[0]), device="cpu")
    classes = model.dataset_meta["classes"]
    assert all(c["name"] == classes[c["id"] - 1] for c in ours["categories"])
    found = inference_detector(model, str(image)).pred_instances
    assert len(found) == len(ours["annotations"]) > 0
    order = np.argsort([-a["score"] for a in ours["annotations"]], kind="stable")
    for i, j in enumerate(order):
        said = ours["annotations"][j]
        assert said["score"] == pytest.approx(float(found.scores[i]), abs=1e-6)
        assert said["category_id"] == int(found.labels[i]) + 1
        mask = rle.decode(said["segmentation"]).astype(bool)
        assert (mask == found.masks[i].numpy()).mean() > 0.999


@pytest.mark.slow
def test_a_folder_is_used_in_a_clone_without_its_data(folder, tmp_path, monkeypatch):
    image, folder = min(Path("data/smoke_lvis/val").glob("*")).resolve(), folder.resolve()
    monkeypatch.chdir(copied(tmp_path, "configs", "requirements.lock"))
    assert main(["predict", str(image), "--weights", str(folder)]) == 0
    (made,) = Path("predictions").glob("*.json")
    assert json.loads(made.read_text())["annotations"]


@pytest.mark.slow
def test_names_and_sums_are_those_of_the_bytes(folder):
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert done.returncode == 0 and done.stdout.count(b": OK") == 4
    (weights,) = folder.glob("*.pth")
    digest = (folder / "SHA256SUMS").read_text().split(f"  {weights.name}")[0].split()[-1]
    assert weights.name == f"{TRAINING}-{digest[:8]}.pth" and folder.name == weights.stem
    card = (folder / "README.md").read_text()
    metrics = json.loads(
        Path(f"results/smoke/{TRAINING}/seed0/{TRAINING}/metrics.json").read_text()
    )
    assert f"| {100 * metrics['segm']['AP']:.1f} |" in card and "paper's" in card


def test_a_card_has_the_rows_and_the_claims_of_its_model():
    scale = Scale("mini")
    table, claims = scale.table, claim_table.of(scale).claims
    for name in ("a10_seesaw", "b03_htc_lite"):
        text = row_and_claims(table.evaluations[name], scale)
        assert not lacks(text, *(cell.label for cell in table.cells if cell.evaluation == name))
        shown = [c.id for c in claims if f"| {c.says} |" in text]
        assert shown == [c.id for c in claims if name in c.pair] != []
    shown = row_and_claims(table.evaluations["a10_seesaw"], Scale("smoke"))
    alone = row_and_claims(Evaluation(id="own", training="own"), scale)
    assert len(shown.splitlines()) == 2 and alone == ""
    for part in (text, shown, alone):
        card = CARD.replace("{claims}", part)
        assert "\n\n\n" not in card and "\n\n## Use\n" in card


@pytest.mark.slow
def test_scores_are_not_published_with_a_config_that_was_edited_since(root, folder):
    config = Path(f"configs/table_a2/{TRAINING}.py")
    before = config.read_text()
    config.write_text(f"{before}model.test_cfg.rcnn.score_thr = 0.3\n")
    done = seesaw(root, "publish", "b03", "--out", "edited", code=2)
    config.write_text(before)
    assert config.name in done.stderr and not Path("edited").exists()


@pytest.mark.slow
def test_half_precision_halves_the_file(root, folder):
    seesaw(root, "publish", "b03", "--half", "--out", "halves")
    (half,) = Path("halves").iterdir()
    whole, small = published(folder)[0], published(half)[0]
    assert small.stat().st_size < 0.55 * whole.stat().st_size
    states = [torch.load(path, weights_only=True)["state_dict"] for path in (whole, small)]
    for name, tensor in states[0].items():
        assert torch.equal(states[1][name].to(tensor.dtype), tensor.half().to(tensor.dtype)), name


@pytest.mark.parametrize("classes", [None, 3, [], ["ant", 3]])
def test_a_checkpoint_without_names_of_classes_is_not_a_published_one(tmp_path, classes):
    facts = dict(evaluation="b03_htc_lite", scale="smoke", dataset="smoke_lvis")
    meta = {"seesaw": facts, "dataset_meta": {"classes": classes}}
    torch.save({"state_dict": {}, "meta": meta}, tmp_path / "model.pth")
    (tmp_path / "SHA256SUMS").write_text(f"{sha256_file(tmp_path / 'model.pth')}  model.pth\n")
    with pytest.raises(UserError, match="`seesaw publish`;"):
        published(tmp_path)


@pytest.mark.slow
def test_mistakes_are_one_sentence_and_write_nothing(folder, tmp_path, printed):
    before = sorted(folder.parent.iterdir())
    image = str(min(Path("data/smoke_lvis/val").glob("*")))
    model = Path(f"results/smoke/{TRAINING}/seed0/model.pth")
    whole = model.read_bytes()
    for words, said in (
        (["publish", "b03"], f"{folder} exists"),
        (["publish", "a01"], "metrics.json is missing"),
        (["publish", "a12"], "publish a11_dual_head"),
        (["publish", "test_dev_a12"], "test_dev"),
        (["predict", image, "--weights", str(tmp_path)], " 0 files"),
        (["predict", image, "--weights", str(model.parent)], "`seesaw publish`"),
    ):
        error = printed(*words, "--scale", "smoke", code=2)
        assert said in error and error.count("\n") == 1, words
    torch.save({"meta": {"seesaw": {"scale": 7}}}, tmp_path / "strange.pth")
    assert "`seesaw publish`" in printed("predict", image, "--weights", tmp_path, code=2)
    noted = provenance_path(model)
    before_it = noted.read_text()
    try:  # trained again, but nothing has been detected with it
        model.write_bytes(whole + b"0")
        noted.write_text(before_it.replace(sha256(whole).hexdigest(), sha256_file(model)))
        said = printed("publish", "b03", "--scale", "smoke", code=2)
        assert not lacks(said, "detections.jsonl", model)
    finally:
        model.write_bytes(whole)
        noted.write_text(before_it)
    try:
        model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert "model.pth" in printed("publish", "b03", "--scale", "smoke", code=2)
    finally:
        model.write_bytes(whole)
    assert sorted(folder.parent.iterdir()) == before
