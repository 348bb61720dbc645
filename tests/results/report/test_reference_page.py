"""The page of the reference: the live one's curves and examples from small files, and claims."""

import json
import shutil

import pytest
from repository import REPOSITORY
from two_evaluations import A, B

from seesaw.core.provenance import record
from seesaw.core.records import record_of
from seesaw.errors import UserError
from seesaw.results.report import content, examples, losses, page
from seesaw.training import run_log
from seesaw.workflow import reference_files

LARGE = ("model.pth", "log.jsonl", "detections.jsonl", "matches.npz", "figures")


@pytest.fixture
def bare(scale):
    """A reference as it was before it kept what the report draws."""
    shutil.copytree(scale.results, scale.reference, ignore=shutil.ignore_patterns(*LARGE))
    return scale.frozen()


@pytest.fixture
def reference(scale, bare):
    for name in (A, B):
        steps = run_log.read(scale.model(name, 0).with_name(run_log.NAME)).steps
        losses.path(bare.model(name, 0)).write_text(losses.thinned(steps))
    reference_files.keep_examples(scale, scale.reference, "f0")
    return bare


def shown(text, section):
    return text.partition(f'<section id="{section}">')[2].partition("</section>")[0]


def test_it_shows_the_curves_and_examples_of_the_live_page(scale, reference):
    live, found = content.gather(scale), content.gather(reference)
    assert [curve.name for curve in found.curves] == [curve.name for curve in live.curves] == [A, B]
    for one, other in zip(found.curves, live.curves, strict=True):
        assert (one.iterations, one.peak, one.rate) == (other.iterations, other.peak, other.rate)
        assert one.lines.keys() == other.lines.keys()
    captions = [caption for caption, _ in live.examples.pictures]
    assert [caption for caption, _ in found.examples.pictures] == captions != []
    assert (found.examples.pair, found.examples.note) == ((A, B), live.examples.note)
    (_, small), (_, large) = found.examples.pictures[0], live.examples.pictures[0]
    assert (small[8:12], large[1:4]) == (b"WEBP", b"PNG")
    text = page.render(found)
    assert "data:image/webp;base64," in shown(text, "examples")
    assert shown(text, "curves").count("<svg") == 2
    assert "numpy" in shown(text, "environment")
    assert "not part of the reference" in shown(text, "cost")  # it holds no times


def test_the_examples_records_name_the_detections(scale, reference):
    listed = examples.index(reference)
    pictures = sorted(listed.parent.glob("*.webp"))
    assert pictures
    for path in (listed, *pictures):
        record = record_of(path)
        assert record["artefact"]["path"] == path.as_posix() and record["fingerprint"] == "f0"
        used = {file["path"] for file in record["inputs"].values()}
        for name in (A, B):
            evaluation = scale.table.evaluations[name]
            assert scale.detections(evaluation, 0).as_posix() in used
    before = {path: path.read_bytes() for path in listed.parent.iterdir()}
    reference_files.keep_examples(scale, scale.reference, "f0")
    assert {path: path.read_bytes() for path in listed.parent.iterdir()} == before


def test_without_images_the_examples_of_the_same_detections_stay(scale, reference, capsys):
    found = [scale.detections(scale.table.evaluations[name], 0) for name in (A, B)]
    for path in found:
        record(path)
    shutil.rmtree(scale.entry.root / "val")
    drawn, new = examples.index(reference).parent, scale.reference.with_name("new")
    reference_files.keep_examples(scale, new, "f1")
    kept = examples.index(scale.frozen(new)).parent
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == {
        p.name: p.read_bytes() for p in drawn.iterdir()
    }
    found[0].write_bytes(found[1].read_bytes())
    record(found[0])
    reference_files.keep_examples(scale, scale.reference.with_name("newer"), "f1")
    assert str(drawn) in capsys.readouterr().err
    assert not scale.reference.with_name("newer").exists()


def test_an_older_reference_says_what_it_does_not_hold(bare):
    text = page.render(content.gather(bare))
    for section in ("examples", "curves", "cost", "environment"):
        assert '<p class="none">not part of the reference</p>' in shown(text, section)
    assert not shown(text, "claims") and "#claims" not in text.partition("<nav>")[2]


def test_a_damaged_or_lost_file_is_named(reference):
    picture = next(examples.index(reference).parent.glob("*.webp"))
    kept = picture.read_bytes()
    picture.write_bytes(kept[:-1])
    with pytest.raises(UserError, match=r"\.webp is not the file that was made"):
        content.gather(reference)
    picture.unlink()
    with pytest.raises(UserError, match=r"\.webp, which .*examples\.json names, is missing"):
        content.gather(reference)
    picture.write_bytes(kept)
    path = losses.path(reference.model(A, 0))
    path.write_text("{}")
    with pytest.raises(UserError, match=f"{path} is damaged"):
        content.gather(reference)


def test_the_claims_are_those_of_the_reference_alone(scale, bare):
    kept = scale.reference / "claims/claims.json"
    kept.parent.mkdir()
    shutil.copy(REPOSITORY / "reference/mini/claims/claims.json", kept)
    live = scale.results / "claims/claims.json"
    live.parent.mkdir()
    shutil.copy(kept, live)
    text = shown(page.render(content.gather(bare)), "claims")
    claims = json.loads(kept.read_text())["claims"]
    assert text.count('<th scope="row">') == len(claims) > 0
    assert 'href="../claims/claims.json"' in text
    assert content.gather(scale).claims is None
