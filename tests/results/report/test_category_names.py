"""Category names of all kinds, through everything that shows them."""

import csv
import io
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from two_evaluations import A, B, evaluate

from seesaw.cli.main import main
from seesaw.core.borders import file_name, plain
from seesaw.evaluation import predict
from seesaw.results.comparison import pictures, render
from seesaw.results.comparison.categories import compare
from seesaw.results.report import content, examples, page
from seesaw.results.report.examples import Examples
from seesaw.results.tables.formats import latex_escape, markdown_escape
from seesaw.results.tables.html import html
from seesaw.results.tables.layout import one_line
from seesaw.results.tables.render import FORMATS
from seesaw.results.tables.tables import Row, Table
from seesaw.spec.scales import Scale

NAMES = {
    "rich": "[bold]",
    "rich's end": "[/bold] [red :smile:",
    "a formula": r"$\frac{$",
    "half a formula": r"\frac{",
    "a dollar": "$",
    "escaped dollars": r"\$x\$ $_$",
    "a number": "7",
    "empty": "",
    "blank": " \t ",
    "long": "n" * 300,
    "long and wide": "象" * 300,
    "a path": "a/b/../../c",
    "the parent": "..",
    "a home": "~root",
    "a script": "</title><script>alert(1)</script>",
    "a quote": "\"'><img src=x>",
    "lines": "two\nlines\r\nand\u2028more",
    "a line of Windows": "cat\r",
    "control characters": "\x1b[31mred\x07\x00\u202eback",
    "emoji": "日本 😀",
    "latex": r"\input{/etc/passwd} % & # _ ^ ~",
    "markdown": "*a* _b_ | `c` [d](e) $f$",
    "templates": "%s {0} {{ 7 * 7 }}",
    "csv": '=1+1,"x";y',
}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open, self.balanced = [], [], [], True
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, [key for key, _ in attrs]))
        self.open += [tag] * (tag not in ("meta", "br"))

    def handle_endtag(self, tag):
        self.balanced &= self.open[-1:] == [tag]
        del self.open[-1:]

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def shown(finished):
    """The comparison of the two evaluations, and the content of the report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        scale = Scale("mini")
        pair = (scale.table.evaluations[name] for name in (A, B))
        yield compare(*pair, scale, errors=False), content.gather(scale)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_comparison_and_report_show_the_name_as_text(shown, name, tmp_path, capsys):
    usual, gathered = shown
    row = replace(usual.categories[-1], name=name)  # in three images of 12, and rare
    made = replace(usual, categories=[row])
    render.terminal(made, 1, "mini")
    said = capsys.readouterr().out
    assert "\x1b" not in said and (len(row.shown) > 20 or f" {row.shown} " in said)
    (read,) = csv.DictReader(io.StringIO(render.as_csv(made), newline=""))
    assert read["name"] == name
    (picture,), missing = pictures.draw(made, 1, Scale("mini"), tmp_path)
    assert picture == tmp_path / f"2_{file_name(name)}.png" and missing == ""
    assert cv2.imread(str(picture)) is not None
    pages = [
        Page(page.render(replace(gathered, examples=Examples((A, B), [(caption, b"")]))))
        for caption in (examples._caption(row), "usual")
    ]
    assert examples._caption(row) in pages[0].texts
    assert pages[0].tags == pages[1].tags


@pytest.mark.slow
def test_the_verbs_take_what_reads_as_markup_everywhere(scale, capsys):
    name = "[/bold] $\\frac{$ <script> a/b\n" + "n" * 300
    path = scale.annotations("val")
    named = json.loads(path.read_text())
    for category in named["categories"]:
        category["name"] = name
    path.write_text(json.dumps(named))
    evaluate(scale)
    assert main(["compare", A, B, "--scale", "mini"]) == 0
    assert main(["report", "--scale", "mini", "--partial"]) == 0
    folder = Path(f"results/mini/compare/{A}_vs_{B}")
    assert {p.stem.partition("_")[2] for p in folder.rglob("*.png")} == {file_name(name)}
    report = Page(Path("results/mini/report/partial.html").read_text(encoding="utf-8"))
    assert any(plain(name) in text for text in report.texts)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_predict_draws_the_name(name, tmp_path):
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), np.zeros((60, 80, 3), np.uint8))
    mask = predict.rle.encode(np.asfortranarray(np.ones((60, 80), np.uint8)))
    boxes, scores = np.array([[5.0, 20.0, 60.0, 50.0]], np.float32), np.array([0.5], np.float32)
    made = predict._drawn(path, [0], boxes, scores, np.array([0]), [mask], [name])
    # enlarged
    assert cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR).shape == (480, 640, 3)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_tables_keep_their_shape(name):
    """The same lines, cells and tags as with a plain label; the label itself is in the data."""
    columns = ["schedule", "AP"]
    made, usual = (
        Table("table_a1", label, "mini", columns, [row], heading=label, notes=[f"so {label}"])
        for label in (name, "pear")
        for more in [dict(remarks=[f"about {label}"], note=f"why {label}")]
        for row in [Row("a01", label, "2x", "done", {"AP": 1.0}, {}, **more)]
    )
    pages = [Page(html(table)) for table in (made, usual)]
    assert pages[0].tags == pages[1].tags
    assert pages[1].balanced and pages[1].open == []
    for kind, written in FORMATS.items():
        text = written(made)
        assert kind in ("csv", "json") or not set(text) & set("\x1b\x00\x07\u2028\u202e")
        if kind in ("md", "tex"):
            assert len(text.splitlines()) == len(written(usual).splitlines())
    assert json.loads(FORMATS["json"](made))["rows"][0]["label"] == name
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"](made), newline=""))
    assert row["label"] == name
    latex = re.sub(r"\\[{}$&#_%]", "", latex_escape(one_line(name)))
    assert latex.count("{") == latex.count("}") and not set(latex) & set("&#%")
    assert not re.search(r"(?<!\\)[|$`<*]", markdown_escape(one_line(name)))


def test_file_names_are_short_and_of_one_folder():
    for name in NAMES.values():
        made = f"123_{file_name(name)}.png"
        assert os.path.basename(made) == made and made.isascii() and len(made) < 100
