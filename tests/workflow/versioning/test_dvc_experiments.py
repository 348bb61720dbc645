"""DVC's parameters and experiments in a clone without results; nothing is trained."""

import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from clones import commit, run
from repository import copied, replace

from seesaw.workflow.dvc import CODE

pytestmark = pytest.mark.slow
SCALE, TABLE = "configs/scales/mini.yaml", "configs/experiments.yaml"
FILES = (".gitignore", ".dvcignore", "dvc.yaml", "configs", "paper_figures", *CODE)
NESTED = (".dvc/config", ".dvc/.gitignore", "paper/dvc.yaml", "reference/dvc.yaml")
SUMMARY = "reference/mini/summary"
MADE = ("data", "pretrained", "table_a1")


@pytest.fixture
def fresh(tmp_path):
    """What DVC reads of a fresh clone, as its only commit."""
    for name in (*FILES, *NESTED, SUMMARY):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    copied(tmp_path, *FILES, *NESTED, SUMMARY)
    run(tmp_path, "git", "init", "-q", "-b", "main")
    commit(tmp_path, "fresh")
    return tmp_path


def edit(root):
    """One setting of the scale and one row of the table."""
    replace(root / SCALE, "warmup_iterations: 50", "warmup_iterations: 60")
    replace(root / TABLE, "+ SyncBN", "+ Sync BN")


def shown(root, *options):
    """The rows of `dvc exp show`; the columns of a row without a value are empty."""
    return list(csv.DictReader(run(root, "dvc", "exp", "show", "--csv", *options).splitlines()))


def test_params_diff_names_what_was_edited(fresh):
    edit(fresh)
    uncommitted = run(fresh, "dvc", "params", "diff")
    commit(fresh, "edited")
    for output in (uncommitted, run(fresh, "dvc", "params", "diff", "HEAD~1")):
        assert re.search(rf"^{SCALE} +set\.warmup_iterations +50 +60$", output, re.M)
        row = r"trainings\.a02_syncbn\.cell\.table_a1 +\+ SyncBN +\+ Sync BN"
        assert re.search(rf"^{TABLE} +{row}$", output, re.M)
        assert len(re.findall("^configs/", output, re.M)) == 2


def test_exp_show_has_the_reference_and_the_settings(fresh):
    edit(fresh)
    here, committed = shown(fresh)
    ap = json.loads((fresh / SUMMARY / "a10_seesaw.json").read_text())["AP"]
    for row, iterations in ((here, "60"), (committed, "50")):
        assert float(row[f"{SUMMARY}/a10_seesaw.json:AP"]) == ap
        assert row["set.warmup_iterations"] == iterations
    changed = {"set.warmup_iterations", "trainings.a02_syncbn.cell.table_a1"}
    rows = shown(fresh, "--only-changed")
    values = {k for k in rows[0] if "." in k}
    assert values == changed
    rows = shown(fresh, "--drop", "[^E]", "--keep", r".*a10_seesaw.json:AP$")
    assert [k for k in rows[0] if ":" in k] == [f"{SUMMARY}/a10_seesaw.json:AP"]


def finish(root, *names):
    """Let DVC know some stages as finished, by made-up outputs."""
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    for name in names:
        for path in (Path(root, path) for out in stages[name]["outs"] for path in out):
            if path.suffix:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
            else:
                path.mkdir(parents=True, exist_ok=True)
                (path / "outputs.json").write_text("{}")
        run(root, "dvc", "commit", "-q", "-f", name)


def named(output):
    """The stages that a dry run would call."""
    return re.findall(r"^Running stage '(\w+)'", output, re.M)


def test_exp_run_sets_one_setting(fresh):
    setting = f"{SCALE}:+set_in.a02_syncbn.learning_rate=0.01"
    output = run(fresh, "dvc", "exp", "run", "--dry", "-S", setting, "table_a1")
    assert named(output) == [*MADE]
    run(fresh, "dvc", "exp", "run", "--queue", "-S", setting, "table_a1")
    queued = shown(fresh, "--only-changed")[-1]
    assert {k: v for k, v in queued.items() if k.startswith("set")} == {
        "set_in.a02_syncbn.learning_rate": "0.01"
    }
    assert run(fresh, "git", "status", "--porcelain") == ""
    wrong = f"{SCALE}:set.warmups=60"
    assert "--set-param" in run(fresh, "dvc", "exp", "run", "--dry", "-S", wrong, ok=False)


def test_a_stage_is_called_for_the_settings_that_it_depends_on(fresh):
    finish(fresh, *MADE)
    call = ("dvc", "repro", "--dry", "table_a1")
    assert named(run(fresh, *call)) == []
    replace(fresh / TABLE, "cell: {table_a2: HTC-Lite}", "cell: {table_a2: HTC Lite}")
    assert named(run(fresh, *call)) == []
    replace(fresh / TABLE, "+ SyncBN", "+ Sync BN")
    assert named(run(fresh, *call)) == ["table_a1"]
    replace(fresh / SCALE, "set_in:", "set_in:\n  a02_syncbn: {learning_rate: 0.01}")
    assert named(run(fresh, *call)) == [*MADE]
