"""Claims in the reference: their verdicts and their runs, made on one machine after another."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from frozen import PLACE, refused, table
from made import finish, know
from repository import content, replace

from seesaw.cli.main import main
from seesaw.core import paths
from seesaw.core.records import provenance_path
from seesaw.errors import UserError
from seesaw.results.claims.measure import report
from seesaw.results.tables import verdicts
from seesaw.spec import claims as claim_table
from seesaw.workflow import dependencies, reference
from seesaw.workflow.evidence.chain import Evidence
from seesaw.workflow.evidence.verify import verify


@pytest.fixture
def claimed(scale):
    """The smoke run with a claim on seeds 0 and 1, and its two runs of seed 1."""
    pair = ["a01_mask_rcnn", "a02_syncbn"]
    row = dict(id="c", says="it does", where="here", kind="gain", pair=pair, metric="AP")
    claims = {"scale": "smoke", "seeds": [0, 1], "frozen": None, "claims": [row]}
    paths.CLAIMS.write_text(yaml.safe_dump(claims))
    made = finish(scale)
    assert "evaluate/a02_syncbn/seed1/a02_syncbn" in made
    table(scale)
    return scale


def claim_of(scale):
    (found,) = json.loads((scale.reference / "claims/claims.json").read_text())["claims"]
    return found


def test_of_claims_the_verdicts_are_kept_and_their_runs(claimed):
    assert main(["claims", "--scale", "smoke"]) == 0
    live = claim_table.outputs(claimed)
    for path in live.values():
        know(path, params=[repr(dependencies.cached(claimed)["claims"])])
    assert main(["freeze", "smoke"]) == 0
    kept = claimed.reference / "claims/claims.json"
    assert kept.read_bytes() == live["json"].read_bytes()
    assert Path("docs/claims.md").read_bytes() == live["md"].read_bytes()
    names = {p.name for p in claimed.reference.rglob("*") if "seed1" in p.as_posix()}
    assert {"metrics.json", "replicates.json", "model.pth.provenance.json"} <= names
    assert verify(Evidence(claimed.frozen()))[0] == []


def test_a_run_of_claims_is_followed_to_its_weights(claimed):
    assert main(["freeze", "smoke"]) == 0
    evidence = Evidence(claimed.frozen())
    run = claim_table.kept_runs(claimed.reference) / "a02_syncbn/seed1"
    metrics, model = run / "a02_syncbn/metrics.json", run / "model.pth"
    assert metrics in evidence.chain(claimed.reference / "claims/claims.json")
    assert model in evidence.chain(metrics)
    assert " results/smoke/a02_syncbn/seed1/model.pth " in evidence.repair(model)
    record = provenance_path(model)
    now = json.loads(record.read_text())["artefact"]["sha256"]
    replace(record, now, "0" * 64)
    (fault,) = verify(Evidence(claimed.frozen()))[0]
    assert fault.path == run / "a02_syncbn/detections.jsonl" and str(model) in fault.what


def test_claims_are_finished_on_one_machine_after_another(claimed, printed):
    """Seed 1 is run first; a machine without it adds what it has, and nothing is lost."""
    second = [claimed.results / name / "seed1" for name in ("a01_mask_rcnn", "a02_syncbn")]
    for folder in second:
        folder.rename(folder.with_name("later"))
    assert main(["freeze", "smoke"]) == 0
    assert claim_of(claimed)["state"] == "incomplete"
    first = content(claimed.reference)
    lines = printed("claims", "--missing", "--scale", "smoke").splitlines()
    assert [path.split("/")[2:4] for path in lines] == [[f.parts[-2], "seed1"] for f in second]
    for folder in second:
        folder.with_name("later").rename(folder)
        shutil.rmtree(folder.with_name("seed0"))
    shutil.rmtree(claimed.tables)
    refused(claimed, "`seesaw freeze smoke --claims`")
    assert main(["freeze", "smoke", "--claims"]) == 0
    assert (done := claim_of(claimed))["state"] == "done"
    assert [run["seed"] for run in done["runs"]] == [0, 1]
    both = content(claimed.reference)
    assert {path: both[path] for path in first if path.parts[0] != "claims"} == {
        path: text for path, text in first.items() if path.parts[0] != "claims"
    }
    for folder in second:
        shutil.rmtree(folder)
    assert main(["claims", "--scale", "smoke"]) == 0
    assert not any(path.exists() for path in claim_table.outputs(claimed).values())
    finish(claimed)
    for folder in second:
        shutil.rmtree(folder)
    table(claimed)
    assert main(["freeze", "smoke"]) == 0
    assert content(claimed.reference).keys() == both.keys()
    assert claim_of(claimed)["runs"] == done["runs"]


def test_a_run_of_other_code_is_not_taken_from_the_reference(claimed):
    assert main(["freeze", "smoke"]) == 0
    shutil.rmtree(claimed.results)
    claims, known = claim_table.of(claimed), dependencies.cached(claimed)
    assert report(claimed, claims, None, known).claims[0].state == "done"
    for key in ("train/a02_syncbn/seed1", "detect/a02_syncbn", "evaluate"):
        found = report(claimed, claims, None, known | {key: "other"}).claims[0]
        assert 1 not in [run.seed for run in found.runs], key


def test_runs_of_other_configs_are_not_removed_without_a_word(claimed, capsys):
    assert main(["freeze", "smoke"]) == 0
    assert "git checkout" not in capsys.readouterr().err
    shutil.rmtree(claimed.results)
    with Path("configs/table_a1/a02_syncbn.py").open("a") as config:
        config.write("other = 1\n")
    assert main(["freeze", "smoke", "--claims"]) == 0
    said = capsys.readouterr().err
    assert f"{claimed.reference}: 2 runs" in said and "git checkout" in said


def test_a_run_of_which_nobody_noted_the_code_is_not_added(claimed):
    """Results that were copied without Snakemake's records."""
    assert main(["freeze", "smoke"]) == 0
    before = content(claimed.reference)
    shutil.rmtree(".snakemake")
    with pytest.raises(UserError, match="seed1/a01_mask_rcnn/"):
        reference.freeze_claims(claimed)
    assert content(claimed.reference) == before


def test_tables_follow_a_change_of_the_verdicts_when_claims_are_added(claimed, monkeypatch):
    assert main(["freeze", "smoke"]) == 0
    monkeypatch.setitem(verdicts.ASSUMED, "smoke", {"": 0.5})
    assert reference.rebuilt(claimed)[PLACE]
    reference.freeze_claims(claimed)
    assert reference.rebuilt(claimed) == {PLACE: []}
    assert verify(Evidence(claimed.frozen()))[0] == []
    first = content(claimed.reference)
    reference.freeze_claims(claimed)
    assert content(claimed.reference) == first


def test_a_scale_without_claims_has_no_runs_to_add(scale):
    reference.freeze(scale)
    with pytest.raises(UserError, match=r"configs/claims\.yaml"):
        reference.freeze_claims(scale)


def test_claims_are_added_to_a_reference_alone(claimed):
    with pytest.raises(UserError, match="`seesaw freeze smoke`"):
        reference.freeze_claims(claimed)
    assert not claimed.reference.exists()
