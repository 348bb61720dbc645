"""A rerun against the reference: a verdict for each row, and what the records say differs."""

import json
import re
import shutil
from types import SimpleNamespace

import pytest
import yaml
from clones import shrink
from facts import lacks
from made import evaluated
from repository import content

from seesaw.cli.main import main
from seesaw.core import paths
from seesaw.core.provenance import record, write_failure
from seesaw.core.records import provenance_path, record_of
from seesaw.core.versions import processor
from seesaw.results.claims.result import Report
from seesaw.results.tables.collect import collect
from seesaw.results.tables.recorded import write_recorded
from seesaw.results.tables.verdicts import ASSUMED
from seesaw.spec.scales import Scale
from seesaw.workflow.reruns import OUTSIDE, WITHIN, reruns

PLACE, A, B = "table_a1", "a01_mask_rcnn", "a02_syncbn"


@pytest.fixture
def scale(bare, monkeypatch):
    """Mini's results of two rungs, AP 10 and 12 %, and a reference that is equal to them."""
    monkeypatch.setitem(ASSUMED, "mini", {"AP_r": 1.2, "AP_box": 1.1, "": 1.6})
    shrink(bare / "configs/experiments.yaml")
    return prepared(Scale("mini"))


def prepared(scale):
    for n, name in enumerate((A, B)):
        evaluation = scale.table.evaluations[name]
        model, found = scale.model(name, 0), scale.detections(evaluation, 0)
        found.parent.mkdir(parents=True)
        for path in (model, found):
            path.write_text(str(path))
        record(model, found, fingerprint=name, config_hash=name, seed=0)
        score(scale, name, 0.10 + n / 50)
    write_recorded(collect(PLACE, scale), scale)
    shutil.copytree(scale.results, scale.reference)
    return scale


def score(scale, name, ap):
    evaluation = scale.table.evaluations[name]
    kinds = scale.metrics, scale.matches, scale.replicates
    files = [kind(evaluation, 0) for kind in kinds]
    evaluated(SimpleNamespace(outputs=files), ap)
    record(*files)


def change(artefact, **fields):
    path = provenance_path(artefact)
    content = json.loads(path.read_text())
    kept = {k: v for k, v in (content | fields).items() if v is not None}
    path.write_text(json.dumps(kept))


def rows(scale):
    return {row.id: row for row in reruns(scale)[PLACE]}


def test_equal_results_are_identical_and_overwrite_nothing(scale, printed):
    before = content(scale.reference)
    assert [(r.id, r.verdict, r.cells, r.differs) for r in rows(scale).values()] == [
        (name, "identical", [], {}) for name in (A, B)
    ]
    assert f"{PLACE}: {A} is identical; " in printed("reference")
    assert content(scale.reference) == before


def test_a_difference_is_noise_up_to_twice_the_spread_of_two_single_runs(scale, printed):
    # Here AP_r = AP / 2.
    score(scale, B, 0.13)
    row = rows(scale)[B]
    assert row.verdict == WITHIN and rows(scale)[A].verdict == "identical"
    noise = {cell.column: cell.noise for cell in row.cells}
    assert noise == pytest.approx(
        {c: 2 * 2**0.5 * s for c, s in zip(noise, (1.6, 1.2, 1.6, 1.6, 1.1), strict=True)}
    )
    assert row.cells[0][:3] == ("AP", pytest.approx(12), pytest.approx(13))
    said = printed("reference")
    assert re.search(r"a02_syncbn AP .*13\.00.*12\.00.*4\.53", said)
    score(scale, B, 0.16)  # AP_box by 4 > 3.1
    assert rows(scale)[B].verdict == OUTSIDE
    assert f"a02_syncbn is {OUTSIDE}" in printed("reference", code=1)


def claims_with(scale, *all_runs, other=()):
    """Claims of the reference on both rungs: runs of each, for each metric; other: pair, runs."""
    claim = dict(id="c", says="", where="", kind="gain")
    found = []
    for metric in ("AP", "AP_r", "AP_c", "AP_f", "AP_box"):
        for pair, runs in [*(((A, B), runs) for runs in all_runs), *other]:
            made = [dict(seed=n, a=value, b=value, effect=0) for n, value in enumerate(runs)]
            about = claim | {"metric": metric, "pair": pair}
            found.append(dict(claim=about, unit="AP", asked=[0], runs=made))
    whole = dict(scale="mini", seeds=[0], frozen=None, design=None, designs=[], claims=found)
    path = scale.reference / "claims/claims.json"
    path.parent.mkdir()
    path.write_text(Report.model_validate(whole).model_dump_json())


@pytest.mark.parametrize(("spread", "verdict"), [(0.2, "outside"), (3.0, "within")])
def test_the_spread_is_that_of_the_references_claims(scale, spread, verdict):
    claims_with(scale, [0, spread, 2 * spread])  # of the standard deviation `spread`
    score(scale, B, 0.13)
    assert rows(scale)[B].verdict.startswith(verdict)
    assert rows(scale)[B].cells[0].noise == pytest.approx(2 * 2**0.5 * spread)


def test_of_several_claims_about_a_rung_all_seeds_count(scale):
    """A later claim may have fewer of them."""
    claims_with(scale, [0, 1, 2, 3, 4], [0, 1])
    score(scale, B, 0.13)
    assert rows(scale)[B].cells[0].noise == pytest.approx(2 * 2**0.5 * 2.5**0.5)


def test_evaluations_of_the_same_weights_count_once(scale):
    """And those of a row that has been removed since count."""
    again = ("a02_again", "a02_once_more")
    content = yaml.safe_load(paths.EXPERIMENTS.read_text())
    content["evaluations"] |= {name: {"training": B, "config": A} for name in again}
    paths.EXPERIMENTS.write_text(yaml.safe_dump(content, sort_keys=False))
    scale = Scale("mini")
    claims_with(scale, [0, 2, 4], other=[(again, [0, 40, 80])])
    score(scale, B, 0.13)
    assert rows(scale)[B].cells[0].noise == pytest.approx(2 * 2**0.5 * 2)
    (scale.reference / "claims/claims.json").unlink()
    (scale.reference / "claims").rmdir()
    claims_with(scale, [0, 2, 4], other=[((B, "removed"), [0, 2, 4])])
    assert rows(scale)[B].cells[0].noise == pytest.approx(2 * 2**0.5 * 2)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"scale": "mini"}'])
def test_damaged_claims_are_named(scale, printed, text):
    path = scale.reference / "claims/claims.json"
    path.parent.mkdir()
    path.write_text(text)
    assert f"{path} is damaged" in printed("reference", code=2)


def test_data_config_code_processor_and_versions_that_differ_are_named(scale):
    model, here = scale.frozen().model(A, 0), scale.model(A, 0)
    versions = record_of(model)["versions"]
    change(here, inputs={"manifest": {"path": "m", "sha256": "1"}})
    change(model, inputs={"manifest": {"path": "m", "sha256": "2"}}, fingerprint="other")
    assert rows(scale)[A].differs == {"data": "manifest"}  # which changes the fingerprint
    change(here, inputs={})
    assert rows(scale)[A].differs.keys() == {"code"}
    change(model, config_hash="other")
    assert rows(scale)[A].differs.keys() == {"config"}
    change(model, config_hash=A, fingerprint=A, processor="another CPU")
    change(model, versions=versions | {"torch": "1.0"})
    row = rows(scale)[A]
    assert row.verdict == "identical" and row.differs.keys() == {"processor", "versions"}
    assert not lacks(row.differs["processor"], processor(), "another CPU")
    assert not lacks(row.differs["versions"], f"torch {versions['torch']}", "1.0")
    assert rows(scale)[B].differs == {}


def test_records_of_old_versions_do_not_name_the_processor(scale):
    change(scale.frozen().model(A, 0), processor=None, versions=None, lock=None)
    ((name, there),) = rows(scale)[A].differs.items()
    assert name == "processor" and "reference" in there
    change(scale.model(A, 0), processor=None)
    provenance_path(scale.frozen().model(B, 0)).unlink()
    assert rows(scale)[B].differs == {name: there}
    assert rows(scale)[A].differs.keys() == {name} and there != rows(scale)[A].differs[name]


def test_a_record_names_the_processor(scale):
    made = record_of(scale.model(A, 0))
    assert made["processor"] == processor() and processor() in made["device"]


def test_a_row_that_was_not_run_here_has_no_verdict_and_a_failed_one_is_outside(scale):
    evaluation = scale.table.evaluations[A]
    scale.metrics(evaluation, 0).unlink()
    write_failure(scale.model(B, 0), "no memory")
    assert {name: row.verdict for name, row in rows(scale).items()} == {B: OUTSIDE}
    assert rows(scale)[B].cells[0].here == "failed"


def test_smoke_has_no_spread_and_any_difference_counts(scale):
    smoke = prepared(Scale("smoke"))
    score(smoke, B, 0.2)
    assert rows(smoke)[B].verdict == "different" and rows(smoke)[B].cells[0].noise is None
    assert main(["reference", "--scale", "smoke"]) == 1
