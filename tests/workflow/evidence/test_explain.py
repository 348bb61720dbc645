"""A cell's chain, from its value to the bytes, and what a user's mistake says."""

import csv
import json
import re

import pytest
from facts import lacks
from finished_run import evaluated, flip, write
from repository import REPOSITORY

from seesaw.cli.main import main
from seesaw.core.borders import csv_text
from seesaw.core.files import sha256_file
from seesaw.core.provenance import record
from seesaw.spec import figures


def test_a_cell_is_explained_down_to_its_bytes(scale, run, printed):
    out = printed("explain", "table_a1", "a01", "AP_r")
    blocks = out.strip().split("\n\n")
    cell, replicates, source = blocks[0].splitlines()
    assert not lacks(cell, "table_a1", "Mask R-CNN", "a01_mask_rcnn", "AP_r: 10.0000")
    assert "replicates.json" in replicates
    assert not lacks(source, run["metrics"], "segm.AP_r = 0.1")
    heads = [block.splitlines()[0].split("  ") for block in blocks[1:]]
    val = scale.entry.root / scale.entry.val
    config = scale.table.trainings["a01_mask_rcnn"].config
    made = [str(run[name]) for name in ("metrics", "detections", "manifest", "weights")]
    assert [path for path, _ in heads] == [made[0], str(val), *made[1:], str(config)]
    assert [path for path, state in heads if state == "as recorded"] == made
    assert "git" in heads[-1][1]  # which has what has no record
    weights = blocks[5].splitlines()
    assert f"  sha256      {sha256_file(run['weights'])}" in weights
    assert "  fingerprint f0" in weights and "  seed        0" in weights
    assert f"  of          {config}  sha256 {sha256_file(config)[:12]}" in weights
    remake = f"rm -f {run['weights']} && snakemake --profile local {run['weights']}"
    assert weights[-1] == f"  remake      {remake}"
    assert any(line.startswith("  lock        ") for line in weights)
    assert any("attempt 1, on " in line for line in weights)


def test_a_damaged_link_is_reported(scale, run, printed):
    flip(run["weights"])
    out = printed("explain", "table_a1", "a01", "AP", code=1)
    assert not lacks(out.splitlines()[0], "table_a1", "a01_mask_rcnn", "AP: failed")
    assert f"{run['weights']}  corrupt" in out


def test_another_version_of_an_input_is_reported(scale, run, printed):
    record(write(run["weights"], "trained again"))
    assert "another version" in printed("explain", "table_a1", "a01")


def test_a_remark_is_reported(scale, run, printed):
    sentence = "SyncBN over 4 of 16"
    record(run["weights"], remarks=[sentence])
    assert f"  remark      {sentence}" in printed("explain", "table_a1", "a01").splitlines()


def test_a_record_may_have_no_start(scale, run, printed):
    record(run["weights"], start=None)
    assert f"{run['weights']}  as recorded\n" in printed("explain", "table_a1", "a01")


def test_a_child_training_is_followed_to_its_parent(scale, printed):
    parent = evaluated(scale, "a10_seesaw")
    evaluated(scale, "a11_dual_head")
    assert f"{parent['weights']}  as recorded" in printed("explain", "table_a1", "a11", "AP_box")


def test_a_figures_number_and_a_file(scale, run, printed):
    path = write(figures.outputs("figure_a1", scale)["csv"], "category,ratio\ncup,0.5\nbus,2.0\n")
    record(path, inputs={"metrics": run["metrics"]})
    out = printed("explain", "figure_a1", "bus")
    assert not lacks(out.partition("\n\n")[0], "bus", path, "line 3", "ratio = 2.0")
    assert f"{run['weights']}  as recorded" in out
    assert printed("explain", run["detections"]).startswith(f"{run['detections']}  as recorded\n")


def test_a_figures_line_that_is_not_utf_8_hides_no_other(scale, printed):
    path = figures.outputs("figure_a1", scale)["csv"]
    write(path, "").write_bytes(b"category,ratio\n\xff,0.5\nbus,2.0\n")
    assert not lacks(printed("explain", "figure_a1", "bus"), "line 3", "ratio = 2.0")


def test_a_category_named_to_cheat_a_terminal_stays_on_its_line(scale, run, printed):
    cheat = "cup\x1b[2K\rbus"
    path = figures.outputs("figure_a1", scale)["csv"]
    record(write(path, csv_text([["category", "ratio"], [cheat, 0.5]])))
    out = printed("explain", "figure_a1", "0.5")
    assert "\x1b" not in out and "\r" not in out
    assert not lacks(out, "line 2: ", "cup [2K bus, ratio = 0.5")


def test_a_committed_figures_number(printed):
    """Its data lie in paper_figures/ without a record: the results that it shows follow."""
    with figures.committed("figure_a1")["csv"].open(encoding="utf-8", newline="") as file:
        line = next(csv.DictReader(file))
    out = printed("explain", "figure_a1", line["category"], "ratio", "--reference")
    assert not lacks(out, "line 2", f"ratio = {line['ratio']}")
    assert "paper_figures/figure_a1.csv  no record" in out
    for training in ("mask_rcnn_random_ce", "mask_rcnn_random_seesaw"):
        assert f"reference/mini/{training}/seed0/gradients.json  as recorded\n" in out


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["table_a1"], ["table_a1"]),
        (["table_a1", "a01", "AP_x"], ["table_a1", "'AP_x'", "AP_box"]),
        (["table_a1", "b01"], ["b01_cascade_mask_rcnn", "table_a1", "`seesaw show"]),
        (["figure_a1", "cup"], ["results/mini/figures/figure_a1.csv", "`snakemake"]),
    ],
)
def test_a_mistake_is_one_sentence(scale, run, printed, words, facts):
    (said,) = printed("explain", *words, code=2).splitlines()
    assert not lacks(said, *facts)


def test_speed_and_ap_without_a_number_say_why(scale, printed):
    made = evaluated(scale, "b01_cascade_mask_rcnn")
    out = printed("explain", "table_a2", "b01", "fps", code=1)
    assert not lacks(out.splitlines()[0], "b01_cascade_mask_rcnn", "fps: ", "not run")
    assert "--reference" not in out  # nothing is committed here
    content = json.loads(made["metrics"].read_text())
    content["segm"]["AP_r"] = None
    record(write(made["metrics"], json.dumps(content)))
    out = printed("explain", "table_a2", "b01", "AP_r")
    assert "(b01_cascade_mask_rcnn), AP_r: undefined" in out


def test_what_is_committed_is_named(scale, tmp_path, capsys, printed):
    (tmp_path / "reference").symlink_to(REPOSITORY / "reference")
    for words in (["table_a1", "a01_mask_rcnn", "AP"], ["table_a2", "b01", "fps"]):
        out = printed("explain", *words, code=1)
        assert not lacks(out.splitlines()[0], f"{words[-1]}: ", "not run")
        (asked,) = re.findall(r"seesaw (explain .* --reference)$", out, re.MULTILINE)
        main(asked.split())
        assert ": not run" not in capsys.readouterr().out
    assert "seesaw show table_a1 --reference" in printed("show", "table_a1", code=1)


def test_git_is_named_for_files_that_it_has(capsys):
    main(["explain", "table_a1", "a10", "AP_r", "--reference"])
    out = capsys.readouterr().out
    restored = re.findall(r"git checkout -- (\S+)", out)
    assert restored == ["reference/mini/a10_seesaw/seed0/a10_seesaw/metrics.json"]
    made = re.findall(r"remake +(snakemake .*)  \(not", out)
    assert [line.rpartition(" ")[2] for line in made] == [
        "results/mini/a10_seesaw/seed0/a10_seesaw/detections.jsonl",
        "results/mini/a10_seesaw/seed0/model.pth",
        "results/mini/pretrained/resnest50.pth",
    ]
