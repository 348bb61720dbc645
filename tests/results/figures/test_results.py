"""Which results a figure shows: live ones, committed ones, what is missing."""

import json
import shutil
from pathlib import Path

import pytest
from facts import lacks, refusal
from hand_made import CE, CELLS, SEESAW, gradients, write

from seesaw.core.provenance import record, write_failure
from seesaw.errors import UserError
from seesaw.results.figures import freeze
from seesaw.results.figures.results import Results, table
from seesaw.spec import figures as inputs
from seesaw.spec.scales import Scale


def test_a_clone_shows_the_committed_results(results):
    live = Results("figure_a1", "smoke")
    before = live.fingerprint, live.markdown(), live.categories
    shutil.move("results/smoke", "reference/smoke")
    shutil.move("data/smoke_lvis/category_counts.json", "reference/smoke")
    committed = Results("figure_a1", "smoke")
    assert committed.files[f"{CE}/seed0"] == Path(f"reference/smoke/{CE}/seed0/gradients.json")
    assert (committed.fingerprint, committed.markdown(), committed.categories) == before


def test_live_and_committed_results_are_never_mixed(results):
    shutil.copytree("results/smoke", "reference/smoke")
    Path(f"results/smoke/{CE}/seed0/gradients.json").unlink()
    found = Results("figure_a1", "smoke")
    assert sorted(found.files) == ["category_counts", f"{SEESAW}/seed0"]
    assert (found.state(CE), found.state(SEESAW)) == ("not run", "")
    assert not lacks(found.caption, "smoke", found.fingerprint, "1 of 2")


def test_the_committed_results_can_be_asked_for(results, monkeypatch, printed):
    shutil.copytree("results/smoke", "reference/smoke")
    Path(f"reference/smoke/{CE}/seed0/gradients.json").unlink()
    monkeypatch.setenv(inputs.COMMITTED, "1")
    assert list(Results("figure_a1", "smoke").files) == [f"{SEESAW}/seed0"]
    said = printed("figure", "figure_a1", "--scale", "mini", "--reference", code=2)
    path = f"reference/mini/{CE}/seed0/gradients.json"
    assert not lacks(said, path, "figure_a1", "`seesaw freeze mini`")
    said = printed("figure", "figure_a1", "--scale", "smoke", "--reference", code=2)
    assert not lacks(said, "paper_figures", "mini", "--reference")


def test_what_failed_or_was_changed_does_not_show(results):
    failed = write_failure(Scale("smoke").model(CE, 0), "diverged")
    a1, a2 = (Results(name, "smoke") for name in ("figure_a1", "figure_a2"))
    assert (a1.state(CE), a2.state(CE), a2.state(SEESAW)) == ("failed", "failed", "")
    failed.unlink()
    write_failure(a2.scale.metrics(a2.table.evaluations[CE], 0), "damaged")
    assert (a1.state(CE), a2.state(CE)) == ("", "failed")
    gradients_of = a1.files[f"{CE}/seed0"]
    record(gradients_of)
    assert a1.state(CE) == ""
    gradients_of.write_text(gradients_of.read_text() + " ")
    assert a1.state(CE) == "failed"


def test_errors_of_detections_that_failed_do_not_show(results):
    found = Results("error_analysis", "smoke")
    write_failure(found.scale.detections(found.table.evaluations["a10_seesaw"], 0), "no memory")
    assert [found.state(name) for name in ("a09_stronger_backbone", "a10_seesaw")] == ["", "failed"]


def test_the_fingerprint_is_that_of_the_numbers(results):
    before = Results("figure_a1", "smoke").fingerprint
    path = Path(f"results/smoke/{CE}/seed0/gradients.json")
    path.touch()
    assert Results("figure_a1", "smoke").fingerprint == before
    write(path, gradients(8))
    assert Results("figure_a1", "smoke").fingerprint != before


def test_nothing_to_show_is_told_in_a_sentence(clone, printed):
    path = f"results/smoke/{CE}/seed0/gradients.json"
    command = "snakemake --profile local figure_a1 --config scale=smoke"
    (said,) = printed("figure", "figure_a1", "--scale", "smoke", code=2).splitlines()
    for sentence in (refusal(Results, "figure_a1", "smoke"), said):
        assert not lacks(sentence, path, "figure_a1", f"`{command}`")
    assert not Path("results").exists()


def test_a_damaged_result_is_named(results, printed):
    path = Path(f"results/smoke/{CE}/seed0/gradients.json")
    whole = json.loads(path.read_text())
    short = json.dumps(whole | {"positive": whole["positive"][1:]})
    for text in ('{"positive"', "", "{}", "[]", "null", short):
        path.write_text(text)
        with pytest.raises(UserError, match=f"{path} is damaged"):
            Results("figure_a1", "smoke").of(CE)
    record(path)
    path.write_text(json.dumps(whole | {"positive": whole["positive"][::-1]}))
    assert not lacks(printed("figure", "figure_a1", "--scale", "smoke", code=2), path, "sha256 ")


def test_each_figure_reads_its_own_results_only(clone):
    scale = Scale("smoke")
    read = {name: inputs.files(name, scale) for name in inputs.FIGURES}
    assert list(read["figure_a1"]) == ["category_counts", f"{CE}/seed0", f"{SEESAW}/seed0"]
    assert list(read["figure_a2"]) == ["category_counts", *(f"{c}/seed0" for c in CELLS)]
    pair = ("a09_stronger_backbone", "a10_seesaw")
    assert list(read["error_analysis"])[1:] == [f"{name}/seed0" for name in pair]
    assert {p.name for p in list(read["error_analysis"].values())[1:]} == {"errors.json"}
    assert read["figure_a3"] == {} and list(read["gradient_analysis"]) == ["category_counts"]


def test_a_scale_of_few_experiments_has_their_figures(clone):
    path = Path("configs/scales/smoke.yaml")
    path.write_text(path.read_text() + "\nonly: [b01_cascade_mask_rcnn]\n")
    assert inputs.available(Scale("smoke")) == ["figure_a3", "gradient_analysis"]


def test_freezing_copies_what_is_drawn(clone):
    scale = Scale("smoke")
    assert freeze.freeze(scale) == []
    folder = scale.results / "figures"
    folder.mkdir(parents=True)
    for name in inputs.FIGURES:
        for kind in inputs.FORMATS:
            (folder / f"{name}.{kind}").write_text(json.dumps([name, kind]))
    (folder / "figure_a1.csv").unlink()
    (folder / "figure_a3.png").write_bytes(b"x" * (freeze.LIMIT + 1))
    before = set(Path("paper_figures").iterdir())
    with pytest.raises(UserError, match=r"figure_a3\.png .*1000001 bytes.* 1000000"):
        freeze.freeze(scale)
    assert set(Path("paper_figures").iterdir()) == before
    (folder / "figure_a3.png").write_bytes(b"x" * freeze.LIMIT)
    made = freeze.freeze(scale)
    assert {path.stem for path in made} == set(inputs.FIGURES) - {"figure_a1"}
    assert len(made) == 4 * (len(inputs.FIGURES) - 1) and {p.suffix for p in made} == {
        ".ipynb",
        ".svg",
        ".png",
        ".csv",
    }
    assert set(Path("paper_figures").iterdir()) == before | set(made)
    assert Path("paper_figures/figure_a2.csv").read_text() == '["figure_a2", "csv"]'
    (folder / "figure_a2.csv").unlink()  # the next reference lacks it: then so does the folder
    freeze.freeze(scale)
    assert {p.suffix for p in Path("paper_figures").glob("figure_a2.*")} == {".py"}


def test_numbers_stand_to_the_right():
    content = [["a", "b"], ["x", "1.5"], ["y", "–"]]
    made = [line.split("|")[1:-1] for line in table(content[0], content[1:]).splitlines()]
    head, rule, *rows = [[cell.strip() for cell in line] for line in made]
    assert rule == [":---", "---:"] and [head, *rows] == content
