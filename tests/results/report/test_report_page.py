"""The page on two rungs made by hand: self-contained, repeatable, honest about what lacks."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest
import small_folder
from facts import lacks
from two_evaluations import A, B

from seesaw.results.report import content, page
from seesaw.spec.scales import Scale


class Document(HTMLParser):
    """What a page loads, links to and names."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        assert tag not in ("script", "iframe", "object", "embed", "base", "form")
        self.ids += [values["id"]] if "id" in values else []
        loads = [values[k] for k in ("src", "srcset", "data", "poster") if k in values]
        self.loads += loads + ([values["href"]] if tag in ("link", "use", "image") else [])
        self.links += [values["href"]] if tag == "a" else []


@pytest.fixture
def text(scale):
    return page.render(content.gather(scale))


def test_it_loads_nothing(text):
    found = Document(text)
    assert len(found.loads) == 3  # no icon, the figure and the example
    assert all(load.startswith("data:") for load in found.loads)
    assert not re.search(r"url\(|@import|@font-face", text)
    assert not re.search(r"https?://", text)


def test_links_lead_to_files_that_are_there(scale, text):
    found = Document(text)
    folder = scale.report().parent
    folder.mkdir()
    assert len(set(found.ids)) == len(found.ids)
    for link in found.links:
        assert link[1:] in found.ids if link.startswith("#") else (folder / link).is_file(), link
    record = f"../{A}/seed0/{A}/metrics.json.provenance.json"
    assert found.links.count(record) > 1 and "../figures/figure_a3.pdf" in found.links


def test_what_lacks_is_named_and_not_made_up(scale, text):
    not_drawn = ("figure_a1", "figure_a2", "gradient_analysis", "error_analysis")
    missing = content.gather(scale).missing
    named = ["table_a1", "table_a2", "figure_a2", *not_drawn]
    assert [what.split()[-1] for what in missing] == named and ", ".join(missing) in text
    for name in not_drawn:
        after = text[text.index(f'id="{name}-drawing"') :].partition("</h3>")[2]
        assert after.lstrip().startswith('<p class="none">not computed</p>')
    assert text.count('<img class="drawing"') == 1
    assert content.gather(scale).warning in unescape(text)


def test_on_a_users_data_it_does_not_speak_of_the_scales_own(scale, tmp_path):
    mine = Scale("mini", str(small_folder.make(tmp_path / "mine")))
    warning = content.gather(mine).warning
    assert not lacks(warning, "mine", "mini scale", "the paper's") and "generated" not in warning


def test_a_partial_page_stands_apart(scale, printed):
    said = printed("report", code=2)
    commands = ("`snakemake --profile local report`", "`seesaw report --partial --scale mini`")
    assert not lacks(said, "results/mini", "table_a1, ", *commands)
    assert not (scale.results / "report").exists()
    made = page.write(content.gather(scale), scale)
    assert made.name == "partial.html" and not scale.report().exists()
    whole = content.gather(scale)
    whole.missing.clear()
    assert page.write(whole, scale) == scale.report()


def test_the_same_files_give_the_same_bytes_whenever_and_wherever_they_were_made(
    scale, text, weights_record
):
    record = json.loads(weights_record.read_text())
    record |= {"host": "elsewhere", "start": "2001-01-01T00:00:00+00:00", "git": {"commit": "c0"}}
    weights_record.write_text(json.dumps(record))
    assert page.render(content.gather(scale)) == text


def test_the_digits_follow_the_numbers(scale, text):
    before = content.gather(scale).fingerprint
    assert f"<code>{before}</code>" in text
    path = scale.metrics(scale.table.evaluations[A], 0)
    path.with_name("metrics.json.provenance.json").unlink()
    path.write_text(path.read_text() + "\n")
    assert content.gather(scale).fingerprint != before


def test_cost_and_environment_are_those_of_the_records(scale, text, weights_record):
    row = text[text.index(f'<th scope="row">{A}</th>') :]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row[: row.index("</tr>")])
    device = json.loads(weights_record.read_text())["device"]
    # 400 iterations of 0.45 s, whatever the last attempt took; the peak of 120, 140, ... 500 MB
    assert cells == ["+ Stronger backbone", "400", "0.45", "3 min", "–", "500", device]
    assert '<th scope="row">all 2</th>' in text and ">6 min</td>" in text
    record = json.loads(weights_record.read_text())
    record["versions"]["numpy"] = "0.1"
    weights_record.write_text(json.dumps(record))
    assert content.gather(scale).environment["numpy"][0] == "0.1"
    assert len(content.gather(scale).environment["numpy"]) == 2
    assert content.gather(scale).environment["torch"] == [record["versions"]["torch"]]


def test_the_example_is_the_rare_category_that_fell(scale, text):
    shown = content.gather(scale).examples
    assert shown.pair == (A, B)
    ((caption, _),) = shown.pictures
    assert not lacks(caption, "pear / green", "66.3 to 0.0", "3 objects", "3 validation")
    assert re.findall(r"\d+", shown.note) == ["1", "0", "1"]  # rare, of which rose and fell
    assert not lacks(text, "pear / green", "66.3 to 0.0")


def test_without_detections_the_examples_say_what_is_missing(scale):
    path = scale.detections(scale.table.evaluations[A], 0)
    path.unlink()
    assert str(path) in content.gather(scale).examples.note
    scale.metrics(scale.table.evaluations[B], 0).unlink()
    made = content.gather(scale).examples
    assert made.note.startswith("Not computed: ") and not made.pictures


def test_times_in_two_units():
    assert [page.duration(s) for s in (None, 0.4, 119, 150, 7170, 90000)] == [
        *("–", "0 s", "119 s", "2 min", "2 h 00 min", "25 h 00 min"),
    ]
