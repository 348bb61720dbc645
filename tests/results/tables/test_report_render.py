"""Every format of one small table, to the byte."""

import csv
import io
import os
import re
import sys
from pathlib import Path

import pytest
from facts import lacks
from repository import python
from small_table import small

from seesaw.results.tables import formats, layout
from seesaw.results.tables.formats import as_csv, latex, markdown
from seesaw.results.tables.html import html
from seesaw.results.tables.render import FORMATS, text
from seesaw.results.tables.tables import Row, Table

GOLDEN = Path(__file__).with_name("golden")


def golden(file):
    """What the small table must be to the byte at mini scale, by the file's format."""
    return (GOLDEN / f"table_a1.mini.{file}").read_bytes().decode()


def test_markdown():
    assert markdown(small()) == golden("md")
    ap, rare = "10.2 (+0.1)<br>±0.7 (±0.5)<br>18.9 ✗ (+0.2 ≈)", "1.2<br>±0.4<br>0.7 ≈"
    box = "12.0 (-4.5)<br>±0.2 (±0.2)<br>20.2 ✗ (+0.1 ✗)"
    lines = markdown(small("paper")).splitlines()
    assert lines[7] == rf"| + SyncBN \[1\] | 2x | {ap} | {rare} | {box} |"


def test_latex():
    assert latex(small()) == golden("tex")
    ours, theirs = latex(small("paper")).splitlines()[13:16:2]
    assert ours == r"+ SyncBN {[}1] & 2x & 10.2 ($+0.1$) & 1.2 & 12.0 ($-4.5$) \\"
    level, step = r"18.9 $\times$ ($+0.2$ $\approx$)", r"20.2 $\times$ ($+0.1$ $\times$)"
    assert theirs == rf" &  & {level} & 0.7 $\approx$ & {step} \\[2pt]"


def test_csv():
    assert as_csv(small()) == golden("csv")
    (first, *_) = csv.DictReader(io.StringIO(as_csv(small("paper"))))
    assert (first["AP"], first["paper_AP"], first["paper_AP_r"]) == ("10.04", "18.7", "1.0")


def test_csv_names_the_columns_that_are_in_another_state():
    rows = [Row("b", "b", "1x", "done", {"AP": 1.0})]
    table = Table("table_a2", "Frameworks", "mini", ["AP", "AP_r", "fps"], rows)
    (record,) = csv.DictReader(io.StringIO(as_csv(table)))
    state, *others = (part.partition(": ")[::2] for part in record["state"].split("; "))
    assert (state, others) == (("done", ""), [("AP_r", "not run"), ("fps", "not run")])


def test_terminal_text():
    assert text(small()) == golden("txt")
    ours, errors, theirs = text(small("paper")).splitlines()[7:10]
    assert " ".join(ours.split()) == "+ SyncBN [1] 2x 10.2 (+0.1) 1.2 12.0 (-4.5)"
    assert " ".join(errors.split()) == "±0.7 (±0.5) ±0.4 ±0.2 (±0.2)"
    spreads = ("AP 0.3 (assumed)", "AP_r 1 (assumed)", "AP_box 0.3 (assumed)")
    verdicts = (" 0 reproduced", " 1 within noise", " 4 not reproduced", " 1 not reproduced")
    assert not lacks(text(small("paper")), *spreads, *verdicts, "paper: 38.92")
    assert " ".join(theirs.split()) == "18.9 ✗ (+0.2 ≈) 0.7 ≈ 20.2 ✗ (+0.1 ✗)"


def test_html():
    assert golden("rows.html") in html(small())
    assert "url(" not in html(small()) and "prefers-color-scheme: dark" in html(small())
    assert not lacks(html(small()), '<p class="partial">', "3 of 9", "3 failed")
    page = html(small("paper"))
    paper_line = '<span class="paper">19.4</span><span class="paper"> (+0.5</span>'
    assert f'<span class="state">failed</span><br>{paper_line}' in page
    (title,) = (t for t in re.findall('title="([^"]*)"', page) if t.startswith("AP 10.04, "))
    numbers = ("SE 0.700", "1 seed", " 18.7", " -8.660", "margin 1.523", "±1.523")
    assert not lacks(title, *numbers) and title.endswith(": not reproduced")


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [
        ("50% of $5 & #1_a", r"50\% of \$5 \& \#1\_a"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("[1] * <2>", "{[}1] {*} $<$2$>$"),
    ],
)
def test_latex_escape(raw, escaped):
    assert formats.latex_escape(raw) == escaped


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [("a|b", r"a\|b"), ("*x* _y_ AP_r", r"\*x\* \_y\_ AP_r"), ("`<b>`", r"\`\<b\>\`")],
)
def test_markdown_escape(raw, escaped):
    assert formats.markdown_escape(raw) == escaped


def test_a_complete_table_has_no_banner():
    rows = [Row("a", "a", "2x", "done", {"AP": 1.0})]
    table = Table("t", "T", "mini", ["AP"], rows)
    assert layout.banner(table) is None
    assert not any("partial:" in render(table) for render in FORMATS.values())


def test_a_small_scale_never_shows_a_level_of_the_paper():
    for scale in ("smoke", "mini"):
        for suffix in ("txt", "md", "tex", "html", "csv"):
            page = FORMATS[suffix](small(scale))
            assert not any(level in page for level in ("18.7", "18.9", "19.4", "20.1", "20.4"))
            assert ("within noise" in page) is (scale == "mini")  # nothing is judged at smoke
            assert suffix == "csv" or f"{scale} scale: " in page


def test_bytes_do_not_depend_on_process_or_environment():
    code = (
        "from small_table import small; from seesaw.results.tables.render import FORMATS\n"
        "print([render(small()) for render in FORMATS.values()])"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    said = [
        python(Path(), "-c", code, PYTHONPATH=path, PYTHONHASHSEED=seed, **environment).stdout
        for seed, environment in (
            ("0", {}),
            ("1", {"COLUMNS": "40", "FORCE_COLOR": "1", "TZ": "Asia/Tokyo"}),
        )
    ]
    assert said[0] == said[1] and said[0].count("Mask R-CNN") >= 6
