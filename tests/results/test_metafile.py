"""The model index in mmdet's form: current, and with files that exist."""

import json
from pathlib import Path

import yaml

from seesaw.core import paths
from seesaw.results import metafile
from seesaw.spec.scales import Scale

INDEX = yaml.safe_load((paths.ROOT / "model-index.yml").read_text())


def test_the_committed_file_holds_the_reference_results():
    (file,) = map(Path, INDEX["Import"])
    means = {f.stem: json.loads(f.read_text()) for f in (file.parent / "summary").glob("*.json")}
    assert file.read_text() == metafile.text(Scale("mini"), means)
    content = yaml.safe_load(file.read_text())
    models = {model["Name"].removesuffix("-mini"): model for model in content["Models"]}
    assert models.keys() == means.keys()
    collections = {collection["Name"] for collection in content["Collections"]}
    for name, model in models.items():
        assert Path(model["Config"]).is_file() and model["In Collection"] in collections
        shown = {k: v for part in model["Results"] for k, v in part["Metrics"].items()}
        row = means[name]
        assert shown == {"box AP": round(row["AP_box"], 1), "mask AP": round(row["AP"], 1)}


def test_what_is_undefined_is_left_out():
    text = metafile.text(Scale("mini"), {"a10_seesaw": {"AP": 30.04, "AP_box": None}})
    (model,) = yaml.safe_load(text)["Models"]
    assert [part["Metrics"] for part in model["Results"]] == [{"mask AP": 30.0}]
