"""A name that does not exist is refused first, before data, weights or libraries are looked for."""

import json
import os
from pathlib import Path

import pytest
from repository import python

from seesaw import __version__
from seesaw.cli import main
from seesaw.core import paths

WRONG = "a10_sesaw_"
# Positional arguments that name something that need not exist.
FREE = {("crate", "folder")}
RIGHT = {"place": "table_a1", "figure": "figure_a1", "model": "zoo_mask_rcnn_r50_random"}
MORE = {"accept": ["--because", "a comment"]}
# Calls every verb with a wrong value for each of its names and options; prints how each ended.
CALLS = """
import contextlib, io, json, sys
from seesaw.cli.main import main, parser
wrong, free, more, rights = json.loads(sys.argv[1])
calls = []
def right(a):
    return rights.get(a.dest, "a01")
for verb, sub in parser()._subparsers._group_actions[0].choices.items():
    given = [a for a in sub._actions if not a.option_strings and [verb, a.dest] not in free]
    needed = [a for a in given if a.nargs != "?"]
    for one in given:
        words = [wrong if a is one else right(a) for a in given if a in needed or a is one]
        calls.append([verb, *words, *more.get(verb, [])])
    for option in {"--scale", "--dataset", "--model"} & sub._option_string_actions.keys():
        calls.append([verb, *map(right, needed), *more.get(verb, []), option, wrong])
ended = []
for call in calls:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            code = main(call)
        except SystemExit as end:
            code = end.code
    ended.append([call, code, said.getvalue()])
print(json.dumps([ended, sorted({"torch", "mmdet"} & sys.modules.keys())]))
"""


def test_every_verb_refuses_a_wrong_name_before_it_loads_or_misses_anything(clone, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SEESAW_")]:
        monkeypatch.delenv(name)
    done = python(clone, "-c", CALLS, json.dumps([WRONG, [*FREE], MORE, RIGHT]))
    calls, loaded = json.loads(done.stdout.splitlines()[-1])
    assert len(calls) > 60
    for call, code, said in calls:
        assert code == 2 and WRONG in said and said.count("\n") == 1, (call, code, said)
    assert loaded == []
    assert not (clone / "results").exists() and not (clone / "data").exists()


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main.main(["--version"])
    assert end.value.code == 0 and __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (["trian", "a01"], "train"),
        (["train", "a01", "--sed", "3"], "--seed"),
        (["submit", "--split=vall"], "val"),
        (["data", "--scale", "minni"], "mini"),
        (["data", "--dataset", "mini_lvsi"], "mini_lvis"),
        (["table", "tabel_a1"], "table_a1"),
        (["diff", "a01", "a10_sesaw"], "a10_seesaw"),
        (["train", "a01_mask_rcn_"], "a01_mask_rcnn"),
        (["figure", "figure_b1"], "figure_a1"),
        (["download", "pretraind"], "pretrained"),
        (["explain", "table_a1", "a10", "AP_rr"], "AP_r"),
    ],
)
def test_the_closest_name_is_suggested(call, meant, capsys):
    try:
        code = main.main(call)
    except SystemExit as end:
        code = end.code
    assert code == 2
    said = capsys.readouterr().err.strip().rpartition("; ")[2]
    assert meant in said and said.endswith("?")  # else all names are listed


def test_data_of_a_download_names_the_download(clone, printed):
    for call in (["data"], ["train", "a01"], ["detect", "a01"]):
        said = printed(*call, "--scale", "paper", code=2)
        assert "seesaw download" in said and str(paths.ROOT / "data/lvis_v1") in said


def test_an_image_that_is_none_is_refused_before_mmdet_is_loaded(clone):
    (clone / "folder").mkdir()
    code = """
import sys
from seesaw.cli.main import main
assert main(["predict", "none.png", "--weights", "folder"]) == 2
assert "torch" not in sys.modules
"""
    assert "none.png" in python(clone, "-c", code).stderr


@pytest.mark.slow
def test_mmdet_loads_without_a_word():
    code = "from seesaw.cli.common import load_mmdet; load_mmdet(); print('loaded')"
    assert python(Path(), "-c", code).stdout == "loaded\n"
