"""Options that contradict each other or would do nothing, and outputs that have no place."""

import os

import pytest

from seesaw.cli.main import main


@pytest.mark.parametrize("out", ["file", "file/x", "link", "link/x"])
def test_an_output_folder_that_cannot_be_one_is_refused_first(bare, refused, out):
    (bare / "file").touch()
    (bare / "link").symlink_to("nowhere")
    assert f"--out {out}: " in refused("predict", "none.png", "--out", out)


def test_a_pipe_is_no_output_folder(bare, printed):
    os.mkfifo(bare / "pipe")
    assert "--out pipe: " in printed("predict", "none.png", "--out", "pipe", code=2)


@pytest.mark.parametrize(
    "words", ["--out a", "--minutes 5", "--measure fps --gpu-memory 80", "--measure --out file"]
)
def test_an_option_of_preflight_that_would_do_nothing_is_refused(bare, refused, words):
    (bare / "file").touch()
    assert words.split()[-2] in refused("preflight", *words.split())


def test_an_empty_name_does_not_stand_for_all_runs(refused):
    assert "the training '' is unknown" in refused("wandb-sync", "")


@pytest.mark.parametrize("reason", ["", " ", "caf\udce9", "a\x1b[31m"])
def test_a_reason_is_text(refused, reason):
    assert "--because" in refused("accept", "a01", "--because", reason)


@pytest.mark.parametrize("words", ["smoke --scale mini", "--scale mini smoke"])
def test_two_scales_are_not_frozen_as_one_of_them(refused, words):
    assert "smoke and --scale mini" in refused("freeze", *words.split())


@pytest.mark.parametrize("name", ["table_a1/a10_seesaw.py", "_base_/../table_a1/a01_mask_rcnn.py"])
def test_a_config_of_the_workflow_is_not_replaced(refused, name):
    assert f"--out configs/{name}" in refused("config", "a10", "-o", f"configs/{name}")


def test_what_explain_does_not_find_is_shown_even_if_it_is_empty(refused):
    assert "'' is no file" in refused("explain", "")


@pytest.mark.parametrize("given", ["..", "a/b", "a b", "x" * 300, "\udcff"])
def test_a_fingerprint_is_no_path(given, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "a01", "--fingerprint", given])
    assert ended.value.code == 2
    assert f"argument --fingerprint: {given!r} is no hash" in capsys.readouterr().err
