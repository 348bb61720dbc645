"""The command line in processes of its own: verbs, their rules, and a user's mistakes."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from facts import lacks, message_of
from repository import REPOSITORY, python

from seesaw.cli.main import main, parser

SEESAW = f"{shlex.quote(sys.executable)} -m seesaw.cli"


def run(*args, cwd=REPOSITORY, **environment):
    """``seesaw <args>`` from a folder; everything it reads and writes lies under it."""
    return python(cwd, "-m", "seesaw.cli", *args, code=None, **environment)


def shell(command, cwd=REPOSITORY, **streams):
    env = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    streams["stderr"] = subprocess.PIPE
    return subprocess.run(["bash", "-c", command], cwd=cwd, env=env, text=True, **streams)


def names():
    """All verbs."""
    return set(next(a for a in parser()._actions if a.dest == "verb").choices)


def rules():
    """Rule name -> its text, of all rules that run something."""
    found = {}
    for file in [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "workflow").rglob("*.smk"))]:
        _, *blocks = re.split(r"^(?=rule |checkpoint )", file.read_text(), flags=re.MULTILINE)
        running = {re.match(r"\w+ (\w+):", b).group(1): b for b in blocks if "shell:" in b}
        assert len(running) == file.read_text().count("shell:"), file  # none is overlooked
        found |= running
    return found


def test_each_rule_is_one_call_of_its_verb():
    assert rules() and rules().keys() <= names()
    for name, block in rules().items():
        shell = block.partition("shell:")[2]
        # {TRAINER} and {DETECTOR} are `seesaw`, or what starts it in a SLURM job
        assert re.findall(r"(?:\bseesaw|\{(?:TRAINER|DETECTOR)\}) (\w+)", shell) == [name]


def files(folder):
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "args", [("train", "a01"), ("detect", "a01"), ("evaluate", "a01"), ("pretrain", "resnet18")]
)
def test_without_data_the_verb_that_makes_it_is_named(refused, args):
    said = refused(*args)
    assert not lacks(said, "data/mini_lvis/manifest.json", "`seesaw data --scale mini`")


@pytest.mark.parametrize(
    ("args", "facts"),
    [
        (
            ("train", "a11"),
            ["results/mini/a10_seesaw/seed0/model.pth", "`seesaw train a10_seesaw --scale mini`"],
        ),
        (("train", "a01"), ["results/mini/pretrained/", "`seesaw pretrain resnet18 --scale mini`"]),
        (("detect", "a01"), ["results/mini/a01_mask_rcnn/seed0/model.pth", "`seesaw train"]),
        (("evaluate", "a01"), ["detections.jsonl", "`seesaw detect a01_mask_rcnn"]),
        (
            ("errors", "a01", "a02", "--seed", "3", "--scale", "mini"),
            ["`seesaw detect a01_mask_rcnn --seed 3 --scale mini`"],
        ),
        (("errors", "test_dev_a12"), ["test_dev_a12", "no annotations", "on val"]),
        (("speed",), ["`seesaw train b01_cascade_mask_rcnn --scale mini`"]),
        (("submit",), ["test_dev_a12/detections.jsonl", "`seesaw detect test_dev_a12"]),
        (
            ("publish", "a10"),
            ["a10_seesaw/metrics.json", "`seesaw evaluate a10_seesaw --scale mini`"],
        ),
        (("grade",), ["test_dev_truth/test_dev.json", "`seesaw data --scale mini`"]),
    ],
)
def test_with_data_but_without_what_comes_before(bare, refused, args, facts):
    manifest = bare / "data/mini_lvis/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    assert not lacks(refused(*args), *facts)


@pytest.mark.parametrize("words", ["show table_a1", "explain table_a1 a01_mask_rcnn AP", "verify"])
def test_a_scale_without_reference_is_named(bare, refused, words):
    said = refused(*words.split(), "--scale", "smoke", "--reference")
    assert not lacks(said, "reference/smoke", "`seesaw freeze smoke`")


def test_generated_data_are_not_mended(refused):
    assert not lacks(refused("data", "--fix"), "--fix", "mini_lvis")


def test_a_name_that_is_too_long_for_a_file_is_one_sentence(refused):
    assert not lacks(refused("predict", "x" * 300), "x" * 300, "too long")


def test_a_message_has_one_line_whatever_a_file_is_called(refused, capsys):
    assert refused("predict", "a\nb\x1b[31m\udcff").startswith(r"a\nb\x1b[31m\udcff is no file")
    with pytest.raises(SystemExit):
        main(["show", "table_a1", "--x\ny"])
    assert capsys.readouterr().err.endswith("unrecognized arguments: --x\\ny\n")


def test_a_file_that_cannot_be_replaced_is_named(bare, capsys):
    (bare / "results/mini/tables/table_a2.csv").mkdir(parents=True)
    assert main(["table", "table_a2"]) == 2
    assert message_of("table", capsys.readouterr().err).startswith(
        "results/mini/tables/table_a2.csv "
    )


def test_a_working_directory_that_is_gone_is_one_sentence(tmp_path):
    done = shell(f"rmdir {shlex.quote(str(tmp_path))}; {SEESAW} zoo", cwd=tmp_path)
    assert done.returncode == 2 and "has been removed" in message_of("zoo", done.stderr)


def test_a_message_tells_no_secret(refused):
    said = refused("data", "--dataset", "https://me:p@ss@host/x?token=abc&part=1")
    assert "https:/***@host/x?token=***&part=1" in said.replace("//", "/")
    assert "p@ss" not in said and "abc" not in said


@pytest.mark.parametrize(
    "content", ["_base_ = (\n", "_base_ = './a00.py'\n", "schedule = dict(epochs=12)\n"]
)
def test_a_config_that_is_none_is_one_line(bare, content):
    (bare / "configs/table_a1/a02_syncbn.py").write_text(content)
    done = run("diff", "a01", "a02", cwd=bare)
    assert (done.returncode, done.stdout) == (2, "")
    assert message_of("diff", done.stderr).startswith("configs/table_a1/a02_syncbn.py ")


def test_the_config_that_is_missing_is_the_one_that_is_named(bare, refused):
    (bare / "configs/table_a1/a12_test_time_augmentation.py").unlink()
    for call in (["diff", "a11", "test_dev_a12"], ["detect", "test_dev_a12"]):
        assert "/a12_test_time_augmentation.py" in refused(*call)


@pytest.mark.parametrize(
    ("words", "range_"),
    [
        (("compare", "a09", "a10", "--top", "0"), "at least 1"),
        (("train", "a01", "--seed", "1.5"), "0 to 4294967295"),
        (("train", "a01", "--seed", "4294967296"), "0 to 4294967295"),
        (("train", "a01", "--seed", "9" * 5000), "0 to 4294967295"),
        (("train", "a01", "--seed", "１"), "0 to 4294967295"),
        (("train", "a01", "--threads", "1000000"), "1 to 1024"),
        (("train", "a01", "--workers", "-1"), "0 to 1024"),
        (("train", "a01", "--deadline", "1_0"), "0 to inf"),
        (("train", "a01", "--deadline", "nan"), "0 to inf"),
        (("preflight", "--gpu-memory", "0"), "1 to inf"),
        (("predict", "a.png", "--score", "30"), "0 to 1"),
        (("predict", "a.png", "--score", "x"), "0 to 1"),
    ],
)
def test_a_number_out_of_range_is_named(capsys, words, range_):
    with pytest.raises(SystemExit) as ended:
        main([*words])
    *_, option, given = words
    assert ended.value.code == 2
    assert not lacks(capsys.readouterr().err, option, repr(given), range_)


def least(verb):
    """The fewest arguments that a verb takes."""
    verbs = next(a for a in parser()._actions if a.dest == "verb").choices
    needed = [a for a in verbs[verb]._actions if a.required]
    return [
        verb,
        *(w for a in needed for w in (*a.option_strings[:1], next(iter(a.choices or "1")))),
    ]


@pytest.mark.parametrize("verb", sorted(names()))
def test_outside_of_a_clone_every_verb_says_so(tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    assert main(least(verb)) == 2
    said = message_of(verb, capsys.readouterr().err)
    assert said.startswith(f"{tmp_path} ") and "SEESAW_ROOT" in said
    assert files(tmp_path) == set()


def test_a_locale_without_the_tables_signs_prints_the_table():
    done = run("show", "table_a1", "--reference", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "+ Seesaw Loss" in done.stdout


def test_a_reader_that_ends_is_no_error():
    """As ``| head`` does."""
    reader, writer = os.pipe()
    os.close(reader)
    done = shell(f"exec {SEESAW} verify --reference", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize(("output", "code"), [(">&-", 0), (">/dev/full", 2)])
def test_an_output_that_is_closed_or_full_is_no_traceback(output, code):
    done = shell(f"{SEESAW} show table_a1 --reference {output}")
    assert done.returncode == code and done.stderr.count("\n") == (code > 0)


@pytest.mark.parametrize("name", ["../scales/mini", "a\nb", "x" * 300, ".", "/etc/passwd"])
def test_a_scale_is_a_name_and_no_path(refused, name):
    assert "is unknown; use one of demo, mini" in refused("show", "table_a1", "--scale", name)


def test_an_empty_variable_names_no_scale():
    assert run("show", "table_a1", "--reference", SEESAW_SCALE="").returncode == 0


def test_diff_prints_the_semantic_difference(printed):
    """What SyncBN changes, once each, and nothing that only other config files read."""
    lines = printed("diff", "a01", "a02", "--scale", "paper").splitlines()
    assert 'model.backbone.norm_cfg.type: "BN" -> "SyncBN"' in lines
    assert "model.backbone.norm_eval: true -> false" in lines
    assert len(lines) == 10 and all(line.startswith("model.") for line in lines)


def test_another_root_is_read(bare, tmp_path_factory):
    """SEESAW_ROOT names the repository from anywhere: configs, results and data lie under it."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = run("evaluate", "a01", cwd=elsewhere, SEESAW_ROOT=str(bare))
    assert f"{bare}/data/mini_lvis/manifest.json" in done.stderr
    done = run("table", "table_a2", cwd=elsewhere, SEESAW_ROOT=str(bare))
    assert done.returncode == 0, done.stderr
    made = bare / "results/mini/tables/table_a2.csv"
    assert str(made) in done.stdout and "HTC-Lite" in made.read_text()
    assert files(elsewhere) == set()


def test_a_root_that_is_the_working_directory_leaves_paths_relative(bare):
    done = run("table", "table_a2", cwd=bare, SEESAW_ROOT=str(bare))
    assert done.stdout.startswith("results/mini/tables/table_a2."), done.stderr


def test_train_offers_every_precision():
    """The option's choices are written out, because the parser must not import torch."""
    from seesaw.models.precision import PRECISIONS

    for precision in PRECISIONS:
        args = parser().parse_args(["train", "a01", "--precision", precision])
        assert args.precision == precision
