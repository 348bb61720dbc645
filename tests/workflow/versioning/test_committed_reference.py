"""The committed reference results: whole, small, rebuilt in a bare clone, shown in the README."""

import json
import re
from types import SimpleNamespace

import pytest
from clones import run
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


def test_dvc_shows_the_reference_in_a_bare_clone(tmp_path):
    for folder in (".dvc", "docs"):
        (tmp_path / folder).mkdir()
    copied(tmp_path, ".dvc/config", "reference", "paper_figures", "docs/growth.png")
    run(tmp_path, "dvc", "config", "core.no_scm", "true")
    assert "a10_seesaw.json" in run(tmp_path, "dvc", "metrics", "show")
    run(tmp_path, "dvc", "plots", "show")
    made = (tmp_path / "dvc_plots/index.html").read_text("utf-8")
    pictures = re.findall(r'<img src="([^"]+)"', made)
    assert len(pictures) == 3 and all((tmp_path / "dvc_plots" / p).is_file() for p in pictures)


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
