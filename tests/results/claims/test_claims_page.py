"""The design's hash, and what is written: page, CSV, JSON, in place where all has run."""

import json
from pathlib import Path

import pytest
from claim_results import both, trained
from facts import lacks
from repository import REPOSITORY, replace

from seesaw.cli import results as commands
from seesaw.cli.main import main
from seesaw.core import paths
from seesaw.core.provenance import record
from seesaw.core.records import record_of
from seesaw.errors import UserError
from seesaw.results.claims import page
from seesaw.results.claims.measure import report
from seesaw.results.claims.result import Report
from seesaw.spec import claims as table
from seesaw.spec.scales import Scale
from seesaw.workflow import design

PAIR = ["a09_stronger_backbone", "a10_seesaw"]
GAIN = dict(kind="gain", pair=PAIR, metric="AP_r")
FROZEN, OTHER = "0123456789abcdef", "f" * 16


@pytest.fixture
def complete(claim, monkeypatch):
    monkeypatch.setattr(commands.dependencies, "cached", lambda scale: {"design": FROZEN})
    scale, claims = claim(frozen=FROZEN, **GAIN)
    both(scale, *((1, 4 + seed) for seed in range(5)), pair=PAIR)
    return scale, claims


def test_under_another_design_verdicts_are_exploratory(complete):
    frozen, other = (report(*complete, known) for known in (FROZEN, OTHER))
    assert "✓ supported |" in page.markdown(frozen) and not frozen.exploratory
    assert f"`{FROZEN}`" in page.markdown(frozen) and OTHER not in page.markdown(frozen)
    assert "✓ supported (exploratory) |" in page.markdown(other) and other.exploratory
    assert not lacks(page.markdown(other), f"`{OTHER}`", f"`{FROZEN}`")
    # the paper has AP_r 4.2 and 25.5
    assert "| +21.3 | +5.00 | 0.71 | +3.37 to +6.63 |" in page.markdown(frozen)
    assert "✓ supported: 1\n" in page.brief(frozen)
    assert "✓ supported (exploratory): 1\n" in page.brief(other)


def test_the_readme_tells_of_claims_without_a_verdict(complete):
    (judged,) = report(*complete, FROZEN).claims
    begun = judged.model_copy(update={"verdict": None, "state": "incomplete"})
    made = report(*complete, FROZEN).model_copy(update={"claims": [begun, judged]})
    assert page.brief(made) == f"- ✓ supported: 1\n- incomplete: 1 ({begun.claim.says})\n"


@pytest.mark.parametrize(
    ("unit", "ends", "shown"),
    [
        ("AP", (-0.003, 2.845), "-0.003 to +2.85"),
        ("AP", (-0.0, 0.0), "+0.00 to +0.00"),
        ("x", (0.9996, 1.4), "×0.9996 to ×1.4"),
        ("x", (1.0, 12.5), "×1 to ×12.5"),
    ],
)
def test_the_side_of_an_interval_is_seen(complete, unit, ends, shown):
    made = report(*complete, FROZEN)
    update = dict(unit=unit, low=ends[0], high=ends[1])
    change = {"claims": [made.claims[0].model_copy(update=update)]}
    assert f"| {shown} |" in page.markdown(made.model_copy(update=change))


def test_an_overlay_a_margin_or_a_seed_is_another_design(claim):
    row = dict(kind="no_loss", pair=PAIR, metric="AP", margin=1.0)

    def now(data="d", **change):
        scale, claims = claim(**row | change)
        return design.fingerprint(claims, scale, data)

    first = now()
    assert now(says="in other words", frozen=FROZEN) == first
    changed = {now(data="e"), now(margin=2.0), now(seeds=[0]), now(pair=[PAIR[0], "a11_dual_head"])}
    overlay = paths.SCALES / "mini.yaml"
    for old, new in (("images_per_batch: 6", "images_per_batch: 4"), ("crop: 48", "crop: 47")):
        replace(overlay, old, new)
        changed.add(now())
    assert len(changed) == 6 and first not in changed


def test_freezing_replaces_one_line(claim):
    scale, claims = claim(**GAIN)
    text = (REPOSITORY / "configs/claims.yaml").read_text()
    paths.CLAIMS.write_text(text)
    old = next(line for line in text.splitlines() if line.startswith("frozen:"))
    design.freeze(scale, claims, FROZEN)
    assert paths.CLAIMS.read_text() == text.replace(old, f"frozen: {FROZEN}")
    assert table.of(scale).frozen == FROZEN


def test_the_verb_freezes_and_writes_the_page(claim, monkeypatch, printed):
    monkeypatch.setattr(commands.dependencies, "cached", lambda scale: {"design": OTHER})
    claim(**GAIN)
    assert f"frozen at {OTHER}" in printed("claims", "--freeze")
    assert f"frozen at `{OTHER}`" in Path("docs/claims.md").read_text()


def test_a_design_is_not_frozen_after_its_results(complete):
    text = paths.CLAIMS.read_text()
    with pytest.raises(UserError, match=r"metrics\.json .*\(10 are"):
        design.freeze(*complete, OTHER)
    assert paths.CLAIMS.read_text() == text


def test_a_design_is_not_frozen_after_its_gradients(claim):
    row = dict(kind="gradient_ratio", pair=PAIR, bands=["r", "r"], expect="above")
    scale, claims = claim(seeds=(0, 1), **row)
    trained(scale, PAIR[1], 1, rare=0.1, frequent=0.5)
    with pytest.raises(UserError, match=r"seed1/gradients\.json .*\(1 are"):
        design.freeze(scale, claims, OTHER)


def test_the_verb_writes_the_same_bytes_again(complete, printed):
    outputs = table.outputs(complete[0])
    said = printed("claims")
    assert "✓ supported" in said and "Verdicts: 1 supported." in said
    first = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in outputs.values()}
    made = Report.model_validate_json(outputs["json"].read_text())
    assert page.markdown(made) == outputs["md"].read_text()
    assert json.loads(outputs["json"].read_text())["claims"][0]["runs"][4] == {
        "seed": 4, "a": 1.0, "b": 8.0, "effect": 7.0,
    }  # fmt: skip
    assert outputs["csv"].read_text().splitlines()[1].endswith("done,supported,False")
    assert main(["claims"]) == 0
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in outputs.values()} == first


def test_what_is_incomplete_lies_apart(complete, printed):
    scale, _ = complete
    scale.metrics(scale.table.evaluations[PAIR[1]], 3).unlink()
    assert "incomplete" in printed("claims", code=1)
    assert not any(path.exists() for path in table.outputs(scale).values())
    assert (scale.results / "claims/partial/claims.md").is_file()


def test_of_a_rung_without_a_config_no_run_is_missing(claim, clone, monkeypatch, printed):
    """Snakemake, which is given these files, could not make them."""
    monkeypatch.setattr(commands.dependencies, "cached", lambda scale: {"design": FROZEN})
    scale, _ = claim(seeds=(0,), **GAIN)
    (clone / f"configs/table_a1/{PAIR[1]}.py").unlink()
    made = scale.replicates(scale.table.evaluations[PAIR[0]], 0)
    assert printed("claims", "--missing").split() == [str(made)]


def test_a_damaged_result_is_told_and_is_no_input(complete, printed):
    scale, _ = complete
    path = scale.replicates(scale.table.evaluations[PAIR[1]], 3)
    record(path)
    path.write_text(path.read_text() + " ")
    assert f"c: {path} " in printed("claims", code=1)
    inputs = record_of(scale.results / "claims/partial/claims.json")["inputs"]
    assert f"metrics/{PAIR[1]}/seed3" in inputs and f"replicates/{PAIR[1]}/seed3" not in inputs


def test_the_page_is_that_of_the_reference(complete, clone):
    scale, claims = complete
    kept = scale.reference / "claims/claims.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(page.FORMATS["json"](report(scale, claims, FROZEN)))
    assert page.commit(scale, claims).read_text() == page.markdown(report(scale, claims, FROZEN))
    # where another design has been frozen since, it is exploratory
    text = page.commit(scale, claims.model_copy(update={"frozen": OTHER})).read_text()
    assert not lacks(text, f"`{FROZEN}`", f"`{OTHER}`", "(exploratory) |")
    kept.unlink()
    assert "1 not run." in page.commit(scale, claims).read_text()  # live results or not


def test_the_committed_page_is_what_the_verb_writes():
    scale = Scale("mini")
    made = page.committed(scale, table.of(scale))
    assert (REPOSITORY / "docs/claims.md").read_text() == made, "run `seesaw claims --page`"


def test_another_scale_is_reported(clone, printed):
    said = printed("claims", "--scale", "paper", code=2)
    assert not lacks(said, "configs/claims.yaml", "mini", "paper")
