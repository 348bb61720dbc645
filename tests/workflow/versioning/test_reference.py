"""Reference results: frozen all or nothing, rebuilt byte for byte, compared, never overwritten."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from clones import shrink
from made import finish, know
from repository import copied

from seesaw.cli.main import main
from seesaw.core import paths
from seesaw.core.records import failure_path, provenance_path
from seesaw.errors import UserError
from seesaw.results.claims.measure import report
from seesaw.results.tables import verdicts
from seesaw.results.tables.collect import collect
from seesaw.results.tables.recorded import write_recorded
from seesaw.spec import claims as claim_table
from seesaw.spec.scales import Scale
from seesaw.workflow import dependencies, jobs, reference
from seesaw.workflow.evidence.chain import Evidence
from seesaw.workflow.evidence.verify import verify

PLACE = "table_a1"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of two rungs with its table, and its jobs."""
    root = copied(tmp_path_factory.mktemp("finished"), "configs", "workflow", "Snakefile")
    shrink(root / "configs/experiments.yaml")
    here = Path.cwd()
    os.chdir(root)
    try:
        scale = Scale("smoke")
        made = finish(scale)
        table(scale)
        jobs.workflow(scale)  # kept by the copies
    finally:
        os.chdir(here)
    return root, made


def table(scale):
    """Write the table and what Snakemake would know of it."""
    files = write_recorded(collect(PLACE, scale.table, scale), scale)
    for path in files.values():
        know(path, params=[repr(dependencies.cached(scale)["table"])])


@pytest.fixture
def scale(finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return Scale("smoke")


def content(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_frozen_are_the_small_files_and_their_records_without_time_or_host(scale):
    assert reference.freeze(scale) == Path("reference/smoke")
    files = content(scale.reference)
    names = {path.name for path in files}
    assert {"metrics.json", "replicates.json", "table_a1.tex", "workflow.json"} <= names
    assert {"model.pth.provenance.json", "detections.jsonl.provenance.json"} <= names
    assert names.isdisjoint({"model.pth", "detections.jsonl", "matches.npz", "submission.zip"})
    for path, text in files.items():
        if path.name.endswith("provenance.json") or path.name == "workflow.json":
            for word in (b'"host"', b'"start"', b'"duration"', b"time", b"jobid", b'"device"'):
                assert word not in text, (path, word)
    table = scale.tables / "table_a1.md"
    assert files[Path("tables/table_a1.md")] == table.read_bytes()
    shown = json.loads(files[Path("summary/a02_syncbn.json")])
    (run,) = [json.loads(files[p]) for p in files if p.match("a02_syncbn/metrics.json")]
    assert shown["AP_f"] == pytest.approx(100 * run["segm"]["AP_f"])


def test_freezing_again_gives_the_same_bytes_and_leaves_nothing_else(scale):
    first = content(reference.freeze(scale))
    for path in Path("results").rglob("*"):
        os.utime(path)
    assert content(reference.freeze(scale)) == first
    assert [p.name for p in Path("reference").iterdir()] == ["smoke"]


def test_tables_are_rebuilt_from_the_committed_metrics_alone(scale, capsys):
    reference.freeze(scale)
    for folder in ("results", "data", ".snakemake"):
        shutil.rmtree(folder)
    assert reference.rebuilt(scale) == {PLACE: []}
    assert main(["reference", "--scale", "smoke"]) == 0
    output = capsys.readouterr().out
    assert "reference/smoke/tables/table_a1: rebuilt" in output
    assert "table_a1: nothing computed" in output
    assert not Path("results").exists()
    main(["show", PLACE, "--reference", "--scale", "smoke"])
    assert "Mask R-CNN" in capsys.readouterr().out
    assert not Path("results").exists()


def test_a_table_that_its_metrics_do_not_give_is_reported(scale, capsys):
    reference.freeze(scale)
    path = scale.reference / "tables/table_a1.md"
    path.write_bytes(path.read_bytes().replace(b"Mask", b"Musk"))
    assert main(["reference", "--scale", "smoke"]) == 1
    assert "table_a1.md" in capsys.readouterr().out


def test_counts_that_were_edited_are_found(scale):
    """Figure A1 takes the categories' groups from them where there is no data."""
    reference.freeze(scale)
    counts = scale.reference / scale.entry.category_counts.name
    assert verify(Evidence(scale.frozen()))[0] == []
    counts.write_text("{}")
    (fault,) = verify(Evidence(scale.frozen()))[0]
    assert fault.path == counts and fault.what.startswith("corrupt: sha256")


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
    record.write_text(record.read_text().replace(now, "0" * 64))
    (fault,) = verify(Evidence(claimed.frozen()))[0]
    assert fault.path == run / "a02_syncbn/detections.jsonl" and str(model) in fault.what


def test_claims_are_finished_on_one_machine_after_another(claimed, capsys):
    """Seed 1 is run first; a machine without it adds what it has, and nothing is lost."""
    second = [claimed.results / name / "seed1" for name in ("a01_mask_rcnn", "a02_syncbn")]
    for folder in second:
        folder.rename(folder.with_name("later"))
    assert main(["freeze", "smoke"]) == 0
    assert claim_of(claimed)["state"] == "incomplete"
    first = content(claimed.reference)
    capsys.readouterr()
    assert main(["claims", "--missing", "--scale", "smoke"]) == 0
    lines = capsys.readouterr().out.splitlines()
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


def refused(scale, said):
    before = content(Path("reference")) if Path("reference").is_dir() else {}
    with pytest.raises(UserError, match=said):
        reference.freeze(scale)
    after = content(Path("reference")) if Path("reference").is_dir() else {}
    assert after == before


def test_a_failure_is_not_frozen(scale, finished):
    reference.freeze(scale)
    model = finished[1]["train/a01_mask_rcnn/seed0"].outputs[0]
    failure_path(model).write_text("{}")
    refused(scale, r"model\.pth\.failed\.json")


def test_what_is_not_up_to_date_is_not_frozen(scale, finished):
    path = finished[1]["evaluate/a01_mask_rcnn/seed0/a01_mask_rcnn"].outputs[0]
    know(path, params=["'older'"])
    refused(scale, "evaluate/a01_mask_rcnn/seed0/a01_mask_rcnn")


def test_weights_that_are_missing_are_named(scale, finished):
    """Snakemake does not miss them while the metrics are there."""
    model = finished[1]["train/a01_mask_rcnn/seed0"].outputs[0]
    model.unlink()
    refused(scale, f"train/a01_mask_rcnn/seed0 .*{model}")


def test_a_table_that_was_edited_is_not_frozen(scale):
    path = scale.tables / "table_a1.csv"
    path.write_text(path.read_text() + "\n")
    refused(scale, r"results/smoke/tables/table_a1\.csv")


def test_a_damaged_file_is_not_frozen(scale, finished):
    path = finished[1]["evaluate/a02_syncbn/seed0/a02_syncbn"].outputs[2]
    known = path.stat()
    path.write_bytes(path.read_bytes().replace(b"2", b"3"))
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    refused(scale, str(path))


def test_a_reference_stays_small(scale, finished, monkeypatch):
    reference.freeze(scale)
    monkeypatch.setattr(reference, "LARGEST", 3000)
    refused(scale, r"reference/smoke .*\d+ bytes, \d+ .*3000")


def test_nothing_to_freeze_is_reported(clone):
    refused(Scale("smoke"), "results/smoke .*metrics")


def test_no_reference_is_reported(scale):
    with pytest.raises(UserError, match="`seesaw freeze smoke`"):
        reference.rebuilt(scale)
