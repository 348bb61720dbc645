"""Every `seesaw` call of the guides on a finished smoke run; SEESAW_FINISHED: a checkout with one.

.ci/run sets it after its full run. `--scale` becomes smoke; nothing else is changed.
"""

import csv
import os
import re
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
from pages import PAGES, RUN, blocks, calls
from repository import python, snakemake

FINISHED = os.environ.get("SEESAW_FINISHED")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(not FINISHED, reason="needs a finished run; .ci/run has one"),
]
# What a finished smoke run cannot show, and where it is tested.
ELSEWHERE = {
    ("download",): "the internet; tests/data/download",
    ("preflight",): "paper's models; tests/cli/preflight",
    ("claims",): "smoke scale tests no claims; tests/workflow/versioning/test_reference_claims.py",
    ("predict", "--weights"): "weights by the digits of their bytes; tests/results/test_publish.py",
    ("zoo",): "its target is not part of `all`; tests/results",
    ("reference",): "smoke scale has no reference results; tests/workflow/versioning",
    ("show", "--reference"): "the same",
    ("explain", "--reference"): "the same",
    ("verify", "--reference"): "the same",
    ("accept",): "a changed training at a scale that asks; tests/workflow/test_acceptances.py",
    ("submit", "--record"): "a server; tests/evaluation/submission",
    ("freeze",): "a run by the very code that is here; tests/workflow/versioning",
}
# 1: a state that the verb reports, here as on any machine without GPU or remote.
REPORTS = {"doctor", "status"}


def shown() -> list[tuple[str, ...]]:
    """The calls in the pages' shell blocks, each once, at smoke scale."""
    found = {}
    for page in PAGES:
        if page.name in RUN or page.name == "cli.md":
            continue
        for words in [w for block in blocks(page) for w in calls(block) if w[0] == "seesaw"]:
            words = words[1:]
            if "--scale" in words:
                at = words.index("--scale")
                words = words[:at] + words[at + 2 :]
            words = ["smoke" if word == "mini" else word for word in words]
            words = [word.replace("results/mini", "results/smoke") for word in words]
            words = [word.replace("results/paper", "results/smoke") for word in words]
            if not any(set(only) <= set(words) for only in ELSEWHERE):
                found[tuple(words)] = None
    return list(found)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A clone of the finished checkout with what it has made, and the names that the guides use."""
    root = tmp_path_factory.mktemp("checkout")
    subprocess.run(["git", "clone", "-q", FINISHED, root], check=True)
    for name in ("data", "results/smoke", ".snakemake/metadata"):
        shutil.copytree(Path(FINISHED, name), root / name, copy_function=shutil.copyfile)
    shutil.copytree(root / "data/smoke_lvis", root / "PATH")
    first, second, *_ = sorted((root / "PATH/val").iterdir())
    shutil.copy(first, root / "photo.jpg")
    shutil.copy(second, root / "street.png")
    return root


@pytest.mark.parametrize("words", shown(), ids=" ".join)
def test_a_shown_command_works(checkout, words):
    with (checkout / "results/smoke/figures/figure_a1.csv").open() as lines:
        category = next(csv.DictReader(lines))["name"]
    words = [category if word == "CATEGORY" else word for word in words]
    variables = {"SEESAW_SCALE": "smoke", "PYTHONPATH": str(checkout / "src")}
    done = python(checkout, "-m", "seesaw.cli", *words, code=None, **variables)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    # of the user's dataset a table has nothing to show
    allowed = {0, 1} if words[0] in REPORTS or "--dataset" in words else {0}
    assert done.returncode in allowed, done.stdout[-1500:] + done.stderr[-1500:]


def test_snakemakes_own_report_is_packed(checkout):
    """As docs/report.md shows it, with a page that asks for nothing from a network."""
    file = "results/smoke/report/snakemake.zip"
    scale = ("--config", "scale=smoke")
    snakemake(checkout, "--profile", "local", "--report", file, *scale, "--", "all")
    with ZipFile(checkout / file) as packed:
        page = packed.read("snakemake/report.html")
    assert b"table_a1" in page
    assert not re.search(rb"<(script|link)[^>]*https?://", page)
