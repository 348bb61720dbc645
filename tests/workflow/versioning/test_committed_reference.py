"""The committed reference results: whole, small, rebuilt in a bare clone, shown in the README."""

import csv
import json
import re
from types import SimpleNamespace

import pytest
from browser import WIDTHS, installed
from clones import run
from dvc_render.vega import VegaRenderer
from repository import REPOSITORY, copied, python

from seesaw.errors import UserError
from seesaw.results.claims import page
from seesaw.results.claims.measure import report
from seesaw.spec import claims, experiments
from seesaw.spec.scales import Scale
from seesaw.workflow import readme, reference
from seesaw.workflow.evidence.chain import Evidence
from seesaw.workflow.evidence.verify import verify

KEPT = REPOSITORY / "reference/mini"
BARS = (("table_a1", "AP"), ("table_a1", "AP_r"), ("table_a2", "AP"))  # of reference/dvc.yaml


def test_the_committed_reference_rebuilds_in_a_bare_clone(tmp_path):
    """No results, no data, no GPU, no network: configs and the committed files are enough."""
    copied(tmp_path, "configs", "reference")
    offline = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "from seesaw.cli.main import main\n"
        "code = main(['reference', '--scale', 'mini'])\n"
        "assert 'torch' not in sys.modules and 'mmdet' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    done = python(tmp_path, "-c", offline, CUDA_VISIBLE_DEVICES="")
    tables = sorted(KEPT.glob("tables/*.json"))
    places = [path.stem for path in tables if "provenance" not in path.name]
    assert places and all(f"{p}: rebuilt" in done.stdout for p in places)


def test_the_committed_reference_is_small_and_without_weights():
    files = [p for p in KEPT.rglob("*") if p.is_file()]
    sizes = [path.stat().st_size for path in files]
    assert max(sizes) <= 1_000_000 and sum(sizes) <= reference.WHOLE
    assert {path.suffix for path in files}.isdisjoint({".pth", ".jsonl", ".npz", ".zip"})
    kept = [json.loads(p.read_text()) for p in files if p.name.endswith(".provenance.json")]
    assert all(k.keys().isdisjoint({"host", "start", "duration", "device"}) for k in kept)


def test_the_stand_in_of_the_stronger_backbone_is_stronger():
    accuracy = {
        name: json.loads((KEPT / f"pretrained/{name}.pth.provenance.json").read_text())["accuracy"]
        for name in ("resnet18", "resnest50")
    }
    assert accuracy["resnest50"] > accuracy["resnet18"] > 0.95


def test_seeds_that_are_added_leave_the_reference_as_it_is(monkeypatch):
    table = Scale("mini").table
    for name, training in table.trainings.items():
        table.trainings[name] = training.model_copy(update={"seeds": [0, 1, 2]})
    monkeypatch.setattr(experiments, "load", lambda: table)
    found = Scale("mini").frozen().table
    assert {seed for t in found.trainings.values() for seed in t.seeds} == {0}


def test_the_committed_reference_verifies():
    faults, files = verify(Evidence(Scale("mini").frozen()))
    assert faults == [] and files > 50


@pytest.fixture
def shown(tmp_path):
    """A bare clone of what DVC reads of the committed reference."""
    for folder in (".dvc", "docs"):
        (tmp_path / folder).mkdir()
    dvc = (".dvc/config", ".dvc/plots.html")
    copied(tmp_path, *dvc, "reference", "paper_figures", "docs/growth.png")
    run(tmp_path, "dvc", "config", "core.no_scm", "true")
    return tmp_path


def test_dvc_shows_the_reference_in_a_bare_clone(shown):
    assert "a10_seesaw.json" in run(shown, "dvc", "metrics", "show")
    run(shown, "dvc", "plots", "show")
    made = (shown / "dvc_plots/index.html").read_text("utf-8")
    pictures = re.findall(r'<img src="([^"]+)"', made)
    assert len(pictures) == 3 and all((shown / "dvc_plots" / p).is_file() for p in pictures)


@pytest.mark.skipif(not installed(), reason="needs Chromium: apt-get install chromium")
@pytest.mark.parametrize("width", WIDTHS)
def test_dvcs_page_draws_the_bars_without_a_network(shown, tab, width):
    run(shown, "dvc", "plots", "show")
    tab.open(shown / "dvc_plots/index.html", width, "light")
    assert tab.complaints == [] and tab.fits(width)
    assert [url for url in tab.requests if not url.startswith(("data:", "file:"))] == []
    read = "[...document.querySelectorAll('.bar')].map(b => Number(b.textContent))"
    lengths = "[...document.querySelectorAll('.bar i')].map(i => i.getBoundingClientRect().width)"
    said, drawn = tab.value(read), tab.value(lengths)
    for place, key in BARS:
        with (KEPT / f"tables/{place}.csv").open() as file:
            numbers = [float(row[key]) for row in csv.DictReader(file)]
        here, said = said[: len(numbers)], said[len(numbers) :]
        bars, drawn = drawn[: len(numbers)], drawn[len(numbers) :]
        assert here == pytest.approx(numbers, rel=1e-3)
        shares = [bar / max(bars) for bar in bars]
        assert shares == pytest.approx([n / max(numbers) for n in numbers], abs=0.02)
    assert said == drawn == []


def test_dvcs_own_scripts_are_loaded_for_what_is_no_bar(shown):
    """The template's versions of Vega are those for which this DVC writes its plots."""
    page = (shown / ".dvc/plots.html").read_text()
    named = re.findall(r"https://cdn.jsdelivr.net/npm/([\w-]+@[\d.]+)", VegaRenderer.SCRIPTS)
    assert len(named) == 3 and all(f'"{name}"' in page for name in named)


def test_the_committed_claims_are_what_the_committed_runs_give():
    """Also that configs/claims.yaml is the table that they were measured by."""
    scale = Scale("mini")
    kept = page.reference(scale)
    anything = {"unknown": "fingerprint"}  # without any, no run of the reference is read
    bare = scale.frozen(scale.reference / "no results")
    assert report(bare, claims.of(scale), kept.design, anything) == kept


def test_the_readme_shows_the_reference(tmp_path, monkeypatch):
    shown = Scale("mini")
    made = {"milestones": readme.milestones(shown), "results": readme.results(shown)}
    assert made["milestones"].count("\n") >= 6
    for text in made.values():
        assert text in (REPOSITORY / "README.md").read_text("utf-8")
    monkeypatch.setattr(readme, "README", tmp_path / "README.md")
    monkeypatch.setattr(readme, "PICTURE", tmp_path / "detections.png")
    pictures = SimpleNamespace(pictures=[("first", b"\x89PNG"), ("second", b"other")])
    monkeypatch.setattr(readme, "examples", lambda *_, **__: pictures)
    old = {part: "old".join(readme.marks(part)) for part in made}
    readme.README.write_text("before\n{milestones}between\n{results}after\n".format(**old))
    readme.commit(shown)
    new = {part: f"\n{text}\n".join(readme.marks(part)) for part, text in made.items()}
    text = readme.README.read_text("utf-8")
    assert text == "before\n{milestones}between\n{results}after\n".format(**new)
    assert readme.PICTURE.read_bytes() == b"\x89PNG"
    readme.PICTURE.write_bytes(b"of the reference")
    assert readme.commit(shown, picture=False) == [readme.README]
    assert readme.PICTURE.read_bytes() == b"of the reference"
    readme.README.write_text("{milestones}".format(**old))
    with pytest.raises(UserError, match="lacks '<!-- results"):
        readme.commit(shown)
