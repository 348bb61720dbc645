"""A real smoke training, stopped and resumed: its evidence, and no secret anywhere."""

import json
import subprocess

import pytest
import repository
from wandb_runs import history, records

from seesaw.training import run_log
from seesaw.training.mirror import LATER

pytestmark = pytest.mark.slow
SECRETS = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00",
    "AWS_SECRET_ACCESS_KEY": "planted/secret+access/key/0123456789abcd",
    "HTTPS_PROXY": "http://someone:planted-passw0rd@127.0.0.1:9",
}
SEARCHED = [*list(SECRETS.values())[:3], "planted-passw0rd"]
KEPT = ("configs", "workflow", "Snakefile", "requirements.lock", "environment.yml")
KEPT += ("CITATION.cff", "README.md", ".gitignore")
PREFIX = "results/smoke/a01_mask_rcnn/seed0"
FILES = ["model.pth"]
FILES += [f"a01_mask_rcnn/{n}" for n in ("detections.jsonl", "metrics.json")]


def seesaw(root, *arguments, code=0, **variables):
    variables = SECRETS | {"WANDB_MODE": "offline"} | variables
    done = repository.seesaw(root, *arguments, code=code, **variables)
    with (root / "said.log").open("a") as file:
        file.write(done.stdout + done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = repository.copied(tmp_path_factory.mktemp("root"), *KEPT)
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    seesaw(root, "data")
    seesaw(root, "pretrain", "resnet18")
    seesaw(root, "train", "a01", "--fingerprint", "f", "--deadline", "0", code=75)
    seesaw(root, "train", "a01", "--fingerprint", "f")
    seesaw(root, "detect", "a01")
    seesaw(root, "evaluate", "a01")
    seesaw(root, "table", "table_a1")
    return root


def record(root, name):
    return json.loads((root / PREFIX / f"{name}.provenance.json").read_text())


def test_the_run_is_one_curve_with_its_ap_in_the_log_and_in_wandb(root):
    log = run_log.read(root / PREFIX / "log.jsonl")
    assert [(a["attempt"], a["iter"]) for a in log.attempts] == [(1, 0), (2, 1)]
    assert [line["iter"] for line in log.steps] == list(range(1, len(log.steps) + 1))
    terms = {"loss", "loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_mask", "acc"}
    for line in log.steps:
        assert terms | {"lr", "time", "data_time", "memory"} < line.keys()
    (scored,) = log.evaluations
    metrics = json.loads((root / PREFIX / FILES[2]).read_text())
    assert scored["AP"] == pytest.approx(100 * metrics["segm"]["AP"], abs=1e-5)
    assert scored["AP_box"] == pytest.approx(100 * metrics["bbox"]["AP"], abs=1e-5)
    runs = sorted((root / "wandb").glob("offline-run-*"))
    assert len(runs) == 3  # stopped, resumed, evaluated
    assert {run.name.partition("-a01")[2] for run in runs} == {log.header["id"].removeprefix("a01")}
    *steps, last = history(records(runs[-1]))
    assert [item["loss"] for item in steps] == [line["loss"] for line in log.steps]
    assert last["val/AP"] == scored["AP"]


def test_records_say_commit_config_seed_attempt_and_run(root):
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()
    trained, log = record(root, "model.pth"), run_log.read(root / PREFIX / "log.jsonl")
    assert trained["git"]["commit"] == head
    assert (trained["attempt"], trained["seed"]) == (2, 0)
    assert trained["wandb_run"] == log.header["id"]
    assert trained["config_hash"] == log.header["config_hash"]
    assert log.header["git"] == trained["git"] and log.header["lock"] == trained["lock"]
    manifest = json.loads((root / "data/smoke_lvis/manifest.json.provenance.json").read_text())
    assert manifest["artefact"]["sha256"] == log.header["dataset"]["manifest"]
    assert record(root, "a01_mask_rcnn/detections.jsonl")["config_hash"] == trained["config_hash"]
    table = json.loads((root / "results/smoke/tables/table_a1.md.provenance.json").read_text())
    assert (
        table["inputs"]["a01_mask_rcnn/seed0/metrics"]["sha256"]
        == (record(root, "a01_mask_rcnn/metrics.json")["artefact"]["sha256"])
    )


def test_a_cell_is_explained_and_all_verifies(root):
    output = seesaw(root, "explain", "table_a1", "a01", "AP_r")
    heads = [block.splitlines()[0] for block in output.split("\n\n")[1:]]
    for name in (FILES[2], FILES[1], FILES[0]):
        assert f"{PREFIX}/{name}  as recorded" in heads
    assert "results/smoke/pretrained/resnet18.pth  as recorded" in heads
    assert "data/smoke_lvis/manifest.json  as recorded" in heads
    assert seesaw(root, "verify").endswith(" 0 faults\n")


def test_no_secret_is_anywhere(root):
    seesaw(root, "crate")
    seesaw(root, "wandb-sync", "--offline")
    seesaw(root, "wandb-sync", code=1, WANDB_BASE_URL="http://127.0.0.1:9")
    said = (root / "said.log").read_text()
    assert said.count(LATER) == 1
    found = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(found) > 200 and any(path.suffix == ".wandb" for path in found)
    for path in found:
        content = path.read_bytes()
        assert not [s for s in SEARCHED if s.encode() in content], path
