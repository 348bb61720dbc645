"""mmdet's released Seesaw models: our modules take their weights, and verdicts are as published."""

import json
from pathlib import Path

import mmdet
import pytest
import torch
import yaml
from mmengine.config import Config
from repository import WORKFLOW, copied, planned, snakemake

from seesaw.core.provenance import record
from seesaw.errors import UserError
from seesaw.results.zoo import check, markdown
from seesaw.spec import downloads, zoo
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training.convert import RELEASED, build, convert, stand_in

ZOO = zoo.load()
PAPER = Scale("paper")


def shapes(cfg):
    with torch.device("meta"):
        return {k: tuple(v.shape) for k, v in build(cfg).state_dict().items()}


CONFIGS = sorted({m.config for m in ZOO.models.values()})
QUICK = "cascade_r101_seesaw_normed_mask"


@pytest.mark.parametrize(
    "config", [QUICK, *(pytest.param(c, marks=pytest.mark.slow) for c in CONFIGS if c != QUICK)]
)
def test_our_model_has_every_tensor_of_mmdets_and_no_other(config):
    """And decides by the same thresholds, on images of the same size."""
    models = [m for m in ZOO.models.values() if m.config == config]
    ours = resolve(models[0].evaluation.config_path, PAPER)
    random, rfs = (Config.fromfile(RELEASED / f"{m.released}.py") for m in models)
    assert random.model == rfs.model  # the sampler decides the weights only
    assert shapes(ours) == shapes(random)
    assert ours.model.test_cfg == random.model.test_cfg
    assert ours.model.data_preprocessor == random.model.data_preprocessor
    resizes = [
        next(t for t in c.test_dataloader.dataset.pipeline if t.type == "Resize")
        for c in (ours, random)
    ]
    assert list(resizes[0].scale) == list(resizes[1].scale)


def test_the_table_is_mmdets_own_but_for_the_misprint():
    path = Path(mmdet.__file__).parent / ".mim/configs/seesaw_loss/metafile.yml"
    published = {}
    for row in yaml.safe_load(path.read_text())["Models"]:
        box, mask = (next(iter(r["Metrics"].values())) for r in row["Results"])
        weights = row["Weights"].rpartition("/")[2]
        published[weights] = (Path(row["Config"]).stem, {"AP": mask, "AP_box": box})
    ours = {
        m.checkpoint: (m.released, {"AP": m.AP, "AP_box": m.AP_box} | m.misprinted)
        for m in ZOO.models.values()
    }
    assert ours == published
    assert ours.keys() == downloads.load().sets["zoo"].keys()
    wrong = {m.id: (m.AP_box, m.misprinted) for m in ZOO.models.values() if m.misprinted}
    assert wrong == {"zoo_cascade_r101_rfs": (32.8, {"AP_box": 30.0})}


FIRST = ZOO.models["zoo_mask_rcnn_r50_random"]


def scored(scale, ap, box=0.256):
    """The metrics of an evaluation of the first model."""
    path = scale.metrics(FIRST.evaluation, 0)
    path.parent.mkdir(parents=True)
    others = dict.fromkeys(("AP_r", "AP_c", "AP_f"))
    path.write_text(json.dumps({"segm": {"AP": ap, **others}, "bbox": {"AP": box}}))
    return path


@pytest.mark.parametrize(
    ("ap", "box", "said"),
    [
        (0.2501, 0.2559, "right"),
        (0.2530, 0.2530, "right"),
        (0.2536, 0.2560, "off"),
        (0.2500, 0.2520, "off"),
        (None, 0.256, "off"),
    ],
)
def test_verdicts(tmp_path, monkeypatch, ap, box, said):
    assert (FIRST.AP, FIRST.AP_box, ZOO.tolerance) == (25.0, 25.6, 0.3)
    monkeypatch.chdir(tmp_path)
    assert check(FIRST, PAPER, ZOO.tolerance).verdict == "not run"
    scored(PAPER, ap, box)
    found = check(FIRST, PAPER, ZOO.tolerance)
    assert found.verdict == said
    row = markdown([found], ZOO).splitlines()[-1]
    assert row.startswith(f"| {FIRST.label} | {100 * (ap or 0):.1f} / 25.0 |")


def test_levels_of_generated_data_are_no_verdict(tmp_path, monkeypatch):
    scale = Scale("smoke")
    monkeypatch.chdir(tmp_path)
    scored(scale, 0.25)
    found = check(FIRST, scale, ZOO.tolerance)
    assert found.verdict == "not comparable" and "other data" in markdown([found], ZOO)


def test_weights_without_counters_are_converted_whole(tmp_path):
    cfg = resolve(FIRST.evaluation.config_path, Scale("smoke"))
    state = build(cfg).state_dict()
    path, output = tmp_path / "w.pth", tmp_path / "model.pth"
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save({"state_dict": old, "meta": {}}, path)
    assert convert(cfg, path, output)["tensors"] == len(state)
    saved = torch.load(output)["state_dict"]
    assert saved.keys() == state.keys() and all(torch.equal(saved[k], state[k]) for k in state)


def test_the_stand_in_of_a_released_model_is_converted(tmp_path):
    """mmdet's own configs, of which it is made, have keys that those of trainings may not have."""
    scale = Scale("smoke")
    path = stand_in(FIRST, scale, tmp_path / "w.pth")
    assert convert(resolve(FIRST.evaluation.config_path, scale), path, tmp_path / "model.pth")


@pytest.mark.parametrize("key", ["config", "checkpoint"])
def test_a_misspelt_file_is_one_sentence(tmp_path, key):
    rows = yaml.safe_load(zoo.FILE.read_text())
    row = rows["models"]["zoo_mask_rcnn_r50_random"]
    right, row[key] = row[key], row[key][1:]
    path = tmp_path / "zoo.yaml"
    path.write_text(yaml.safe_dump(rows))
    with pytest.raises(UserError, match=rf"zoo_mask_rcnn_r50_random: .*{row[key]}.*{right}"):
        zoo.load(path)


@pytest.mark.parametrize(
    ("models", "said"),
    [({"zoo_a": {"id": "zoo_b"}}, r"models\.zoo_a\.id"), ({"zoo_a": "b"}, "zoo_a"), ([], "models")],
)
def test_rows_that_are_none_are_one_sentence(tmp_path, models, said):
    path = tmp_path / "zoo.yaml"
    path.write_text(yaml.safe_dump({"tolerance": 0.3, "models": models}))
    with pytest.raises(UserError, match=rf"zoo\.yaml: .*{said}"):
        zoo.load(path)


def test_metrics_that_were_edited_are_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = scored(PAPER, 0.2)
    record(path)
    path.write_text(path.read_text().replace("0.2,", "0.25,").replace("0.2}", "0.25}"))
    with pytest.raises(UserError, match=r"metrics\.json"):
        check(FIRST, PAPER, ZOO.tolerance)


@pytest.mark.slow
def test_a_checkpoint_in_mmdets_format_goes_through_the_whole_path(tmp_path):
    """Converted, detected and scored by the rules, at smoke scale, where AP is no verdict."""
    copied(tmp_path, *WORKFLOW, "requirements.lock")
    name = "zoo_mask_rcnn_r50_normed_mask_random"
    folder = tmp_path / f"results/smoke/{name}/seed0"
    target = f"results/smoke/{name}/seed0/{name}/metrics.json"
    options = ("--profile", "local", "--config", "scale=smoke")
    snakemake(tmp_path, *options, "--", target)
    assert set(json.loads((tmp_path / target).read_text())) >= {"segm", "bbox"}
    record = json.loads((folder / "model.pth.provenance.json").read_text())
    assert record["inputs"]["checkpoint"]["path"].startswith("work/smoke/zoo/mask_rcnn_r50_fpn_")
    assert planned(snakemake(tmp_path, *options, "-n", "--", target)) == {}
