"""Every format of one small table, to the byte."""

import csv
import io
import os
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from rich.console import Console

from seesaw.evaluation.uncertainty import Estimate
from seesaw.results.tables import formats, layout
from seesaw.results.tables.formats import as_csv, latex, markdown
from seesaw.results.tables.html import html
from seesaw.results.tables.render import FORMATS, render_terminal, text, write_table
from seesaw.results.tables.tables import Row, Table
from seesaw.spec import paper

BASE = {"AP": 18.7, "AP_r": 1.0, "AP_box": 20.1}
SYNCBN = {"AP": 18.9, "AP_r": 0.7, "AP_box": 20.2, "increments": {"AP": 0.2, "AP_box": 0.1}}
CARAFE = {"AP": 19.4, "AP_r": 0.7, "AP_box": 20.4, "increments": {"AP": 0.5, "AP_box": 0.2}}


def error(se, value=0.0):
    return Estimate(value, se, se, 1.96 * se)


def small(scale="mini", **kwargs):
    """Base, a rung with one agreeing and one opposed step, and a rung that failed."""
    rows = [
        Row(
            "a01",
            "Mask R-CNN",
            "2x",
            "done",
            {"AP": 10.04, "AP_r": None, "AP_box": 12.5},
            BASE,
            errors={"AP": error(0.7), "AP_box": error(0.8)},
            evidence={0: "a01/seed0/a01/metrics.json.provenance.json"},
        ),
        Row(
            "a02",
            "+ SyncBN",
            "2x",
            "done",
            {"AP": 10.16, "AP_r": 1.25, "AP_box": 12},
            SYNCBN,
            errors={"AP": error(0.7), "AP_r": error(0.4), "AP_box": error(0.25)},
            steps={"AP": error(0.5, 0.12), "AP_box": error(0.25, -4.5)},
            remarks=["accepted: a cell of another fingerprint"],
            evidence={k: f"a02/seed{k}/a02/metrics.json.provenance.json" for k in (0, 3)},
        ),
        Row("a03", "+ A_b & <c>", "45e", "failed", None, CARAFE, note="100% of memory"),
    ]
    columns = ["schedule", "AP", "AP_r", "AP_box"]
    return Table(
        "table_a1",
        "Steps",
        scale,
        columns,
        rows,
        "Step",
        ["AP", "AP_box"],
        "not submitted",
        **kwargs,
    )


MARKDOWN_MINI = r"""### Table A1: Steps (mini scale)

> **partial: 3 of 9 cells missing (3 failed)**

| Step | Schedule | AP | paper Δ | AP_r | AP^box | paper Δ |
| :--- | :--- | ---: | ---: | ---: | ---: | ---: |
| Mask R-CNN | 2x | 10.0<br>±0.7 |  | –<br> | 12.5<br>±0.8 |  |
| + SyncBN \[1\] | 2x | 10.2 (+0.1)<br>±0.7 (±0.5) | +0.2 ≈ | 1.2<br>±0.4 | 12.0 (-4.5)<br>±0.2 (±0.2) | +0.1 ✗ |
| + A_b \& \<c\> | 45e | *failed* | +0.5 | *failed* | *failed* | +0.2 |

- mini scale: reduced data, model and schedule; levels are not comparable with the paper.
- ±: standard error by resampling images, one run a row.
- paper Δ: the paper's increment.
- ✓ reproduced, ≈ within noise, ✗ not reproduced; only the sign counts (docs/verdicts.md). Run-to-run spread: AP 1.6 (assumed), AP_box 1.1 (assumed).
- Increments: 0 reproduced, 1 within noise, 1 not reproduced.
- test-dev AP: not submitted (paper, at its own scale: 38.92)
- \[1\] accepted: a cell of another fingerprint
- \+ A_b \& \<c\>: 100% of memory
"""  # noqa: E501

MARKDOWN_PAPER = r"""### Table A1: Steps (paper scale)

> **partial: 3 of 9 cells missing (3 failed)**

| Step | Schedule | AP | AP_r | AP^box |
| :--- | :--- | ---: | ---: | ---: |
| Mask R-CNN | 2x | 10.0<br>±0.7<br>18.7 ✗ | –<br><br>1.0 | 12.5<br>±0.8<br>20.1 ✗ |
| + SyncBN \[1\] | 2x | 10.2 (+0.1)<br>±0.7 (±0.5)<br>18.9 ✗ (+0.2 ≈) | 1.2<br>±0.4<br>0.7 ≈ | 12.0 (-4.5)<br>±0.2 (±0.2)<br>20.2 ✗ (+0.1 ✗) |
| + A_b \& \<c\> | 45e | *failed*<br>19.4 (+0.5) | *failed*<br>0.7 | *failed*<br>20.4 (+0.2) |

- Cells: ours, its standard error, the paper's with our verdict.
- ±: standard error by resampling images, one run a row.
- ✓ reproduced, ≈ within noise, ✗ not reproduced (docs/verdicts.md). Run-to-run spread: AP 0.3 (assumed), AP_r 1 (assumed), AP_box 0.3 (assumed).
- Levels: 0 reproduced, 1 within noise, 4 not reproduced.
- Increments: 0 reproduced, 1 within noise, 1 not reproduced.
- test-dev AP: not submitted (paper: 38.92)
- \[1\] accepted: a cell of another fingerprint
- \+ A_b \& \<c\>: 100% of memory
"""  # noqa: E501

LATEX_MINI = r"""% Needs \usepackage{booktabs,amssymb}.
\begin{table*}[t]
\centering\footnotesize
\caption{Table A1: Steps (mini scale)}
\label{tab:table_a1}
\textbf{partial: 3 of 9 cells missing (3 failed)}\\[2pt]
\begin{tabular}{@{}llrrrrr@{}}
\toprule
Step & Schedule & AP & paper $\Delta$ & AP$_r$ & AP$^{\mathrm{box}}$ & paper $\Delta$ \\
\midrule
Mask R-CNN & 2x & 10.0 &  & -- & 12.5 &  \\
 &  & {\scriptsize $\pm$0.7} &  &  & {\scriptsize $\pm$0.8} &  \\[2pt]
+ SyncBN {[}1] & 2x & 10.2 ($+0.1$) & $+0.2$ $\approx$ & 1.2 & 12.0 ($-4.5$) & $+0.1$ $\times$ \\
 &  & {\scriptsize $\pm$0.7 ($\pm$0.5)} &  & {\scriptsize $\pm$0.4} & {\scriptsize $\pm$0.2 ($\pm$0.2)} &  \\[2pt]
+ A\_b \& $<$c$>$ & 45e & \emph{failed} & $+0.5$ & \emph{failed} & \emph{failed} & $+0.2$ \\
\bottomrule
\end{tabular}
\par\smallskip mini scale: reduced data, model and schedule; levels are not comparable with the paper.
\par\smallskip $\pm$: standard error by resampling images, one run a row.
\par\smallskip paper $\Delta$: the paper's increment.
\par\smallskip $\checkmark$ reproduced, $\approx$ within noise, $\times$ not reproduced; only the sign counts (docs/verdicts.md). Run-to-run spread: AP 1.6 (assumed), AP\_box 1.1 (assumed).
\par\smallskip Increments: 0 reproduced, 1 within noise, 1 not reproduced.
\par\smallskip test-dev AP: not submitted (paper, at its own scale: 38.92)
\par\smallskip {[}1] accepted: a cell of another fingerprint
\par\smallskip + A\_b \& $<$c$>$: 100\% of memory
\end{table*}
"""  # noqa: E501

CSV_MINI = """\
scale,id,label,schedule,state,AP,AP_se,AP_spread,AP_seeds,AP_increment,AP_increment_se,\
paper_AP_increment,AP_increment_difference,AP_increment_margin,AP_increment_bound,\
AP_increment_verdict,AP_r,AP_r_se,AP_r_spread,AP_r_seeds,AP_box,AP_box_se,AP_box_spread,\
AP_box_seeds,AP_box_increment,AP_box_increment_se,paper_AP_box_increment,\
AP_box_increment_difference,AP_box_increment_margin,AP_box_increment_bound,\
AP_box_increment_verdict,note,remarks,evidence
mini,a01,Mask R-CNN,2x,done,10.04,0.7,,1,,,,,,,,,,,,12.5,0.8,,1,,,,,,,,,,\
a01/seed0/a01/metrics.json.provenance.json
mini,a02,+ SyncBN,2x,done,10.16,0.7,,1,0.12,0.5,0.2,,,4.634652,within noise,1.25,0.4,,1,12.0,0.25,,\
1,-4.5,0.25,0.1,,,3.15119,not reproduced,,accepted: a cell of another fingerprint,\
a02/seed0/a02/metrics.json.provenance.json a02/seed3/a02/metrics.json.provenance.json
mini,a03,+ A_b & <c>,45e,failed,,,,,,,0.5,,,,failed,,,,,,,,,,,0.2,,,,failed,100% of memory,,
"""

TEXT_MINI = """\
Table A1: Steps (mini scale)
partial: 3 of 9 cells missing (3 failed)
Step         Schedule          AP paper Δ AP_r      AP^box paper Δ
──────────────────────────────────────────────────────────────────
Mask R-CNN   2x              10.0            –        12.5
                             ±0.7                     ±0.8
+ SyncBN [1] 2x       10.2 (+0.1)  +0.2 ≈  1.2 12.0 (-4.5)  +0.1 ✗
                      ±0.7 (±0.5)         ±0.4 ±0.2 (±0.2)
+ A_b & <c>  45e           failed    +0.5    "           "    +0.2
mini scale: reduced data, model and schedule; levels are not comparable with the paper.
±: standard error by resampling images, one run a row.
paper Δ: the paper's increment.
✓ reproduced, ≈ within noise, ✗ not reproduced; only the sign counts (docs/verdicts.md). Run-to-run
spread: AP 1.6 (assumed), AP_box 1.1 (assumed).
Increments: 0 reproduced, 1 within noise, 1 not reproduced.
test-dev AP: not submitted (paper, at its own scale: 38.92)
[1] accepted: a cell of another fingerprint
+ A_b & <c>: 100% of memory
"""

TEXT_PAPER = """\
Table A1: Steps (paper scale)
partial: 3 of 9 cells missing (3 failed)
Step         Schedule              AP  AP_r          AP^box
───────────────────────────────────────────────────────────
Mask R-CNN   2x                  10.0     –            12.5
                                 ±0.7                  ±0.8
                               18.7 ✗   1.0          20.1 ✗
+ SyncBN [1] 2x           10.2 (+0.1)   1.2     12.0 (-4.5)
                          ±0.7 (±0.5)  ±0.4     ±0.2 (±0.2)
                      18.9 ✗ (+0.2 ≈) 0.7 ≈ 20.2 ✗ (+0.1 ✗)
+ A_b & <c>  45e               failed     "               "
                          19.4 (+0.5)   0.7     20.4 (+0.2)
Cells: ours, its standard error, the paper's with our verdict.
±: standard error by resampling images, one run a row.
✓ reproduced, ≈ within noise, ✗ not reproduced (docs/verdicts.md). Run-to-run spread: AP 0.3
(assumed), AP_r 1 (assumed), AP_box 0.3 (assumed).
Levels: 0 reproduced, 1 within noise, 4 not reproduced.
Increments: 0 reproduced, 1 within noise, 1 not reproduced.
test-dev AP: not submitted (paper: 38.92)
[1] accepted: a cell of another fingerprint
+ A_b & <c>: 100% of memory
"""

HTML_ROWS_MINI = """\
<caption>Table A1: Steps (mini scale)</caption>
<thead><tr><th scope="col">Step</th><th scope="col">Schedule</th><th scope="col" class="n">\
AP</th><th scope="col" class="n">paper Δ</th><th scope="col" class="n">AP<sub>r</sub></th><th \
scope="col" class="n">AP<sup>box</sup></th><th scope="col" class="n">paper Δ</th></tr></thead>
<tbody>
<tr id="a01"><th scope="row">Mask R-CNN</th><td>2x</td><td class="n" title="AP 10.04, SE 0.700, \
1 seed"><a href="../a01/seed0/a01/metrics.json.provenance.json">10.0</a><br><span class="se">\
±0.7</span></td><td class="n"></td><td class="n">–<br></td><td class="n" title="AP_box 12.5, SE \
0.800, 1 seed"><a href="../a01/seed0/a01/metrics.json.provenance.json">12.5</a><br><span \
class="se">±0.8</span></td><td class="n"></td></tr>
<tr id="a02"><th scope="row">+ SyncBN [1] <span class="runs"><a \
href="../a02/seed0/a02/metrics.json.provenance.json">seed 0</a> <a \
href="../a02/seed3/a02/metrics.json.provenance.json">seed 3</a></span></th><td>2x</td><td \
class="n" title="AP 10.16, SE 0.700, 1 seed
increment +0.120, SE 0.500, 1 seed, the paper&#x27;s 0.2, told from zero beyond 4.635: within \
noise"><a href="../a02/seed0/a02/metrics.json.provenance.json">10.2</a> (+0.1)<br><span \
class="se">±0.7 (±0.5)</span></td><td class="n" title="increment +0.120, SE 0.500, 1 seed, the \
paper&#x27;s 0.2, told from zero beyond 4.635: within noise"><span class="paper">+0.2</span>\
<span class="noise"> ≈</span></td><td class="n" title="AP_r 1.25, SE 0.400, 1 seed"><a \
href="../a02/seed0/a02/metrics.json.provenance.json">1.2</a><br><span class="se">±0.4</span>\
</td><td class="n" title="AP_box 12.0, SE 0.250, 1 seed
increment -4.500, SE 0.250, 1 seed, the paper&#x27;s 0.1, told from zero beyond 3.151: not \
reproduced"><a href="../a02/seed0/a02/metrics.json.provenance.json">12.0</a> (-4.5)<br><span \
class="se">±0.2 (±0.2)</span></td><td class="n" title="increment -4.500, SE 0.250, 1 seed, the \
paper&#x27;s 0.1, told from zero beyond 3.151: not reproduced"><span class="paper">+0.1</span>\
<span class="bad"> ✗</span></td></tr>
<tr id="a03"><th scope="row">+ A_b &amp; &lt;c&gt;</th><td>45e</td><td class="n"><span \
class="state">failed</span></td><td class="n"><span class="paper">+0.5</span></td><td class="n">\
<span class="state">failed</span></td><td class="n"><span class="state">failed</span></td><td \
class="n"><span class="paper">+0.2</span></td></tr>
</tbody>
"""


def test_markdown():
    assert markdown(small()) == MARKDOWN_MINI
    assert markdown(small("paper")) == MARKDOWN_PAPER


def test_latex():
    assert latex(small()) == LATEX_MINI
    ours, theirs = latex(small("paper")).splitlines()[13:16:2]
    assert ours == r"+ SyncBN {[}1] & 2x & 10.2 ($+0.1$) & 1.2 & 12.0 ($-4.5$) \\"
    level, step = r"18.9 $\times$ ($+0.2$ $\approx$)", r"20.2 $\times$ ($+0.1$ $\times$)"
    assert theirs == rf" &  & {level} & 0.7 $\approx$ & {step} \\[2pt]"


def test_csv():
    assert as_csv(small()) == CSV_MINI
    (first, *_) = csv.DictReader(io.StringIO(as_csv(small("paper"))))
    assert (first["AP"], first["paper_AP"], first["paper_AP_r"]) == ("10.04", "18.7", "1.0")


def test_csv_names_the_columns_that_are_in_another_state():
    rows = [Row("b", "b", "1x", "done", {"AP": 1.0}, states={"fps": "failed"})]
    table = Table("table_a2", "Frameworks", "mini", ["AP", "AP_r", "fps"], rows)
    (record,) = csv.DictReader(io.StringIO(as_csv(table)))
    assert record["state"] == "done; AP_r: not run; fps: failed"


def test_terminal_text():
    assert text(small()) == TEXT_MINI
    assert text(small("paper")) == TEXT_PAPER


def test_html():
    assert HTML_ROWS_MINI in html(small())
    assert '<p class="partial">partial: 3 of 9 cells missing (3 failed)</p>' in html(small())
    page = html(small("paper"))
    paper_line = '<span class="paper">19.4</span><span class="paper"> (+0.5</span>'
    assert f'<span class="state">failed</span><br>{paper_line}' in page
    judged = "the paper&#x27;s 18.7, difference -8.660, margin 1.523, told from zero beyond 1.523"
    assert f'title="AP 10.04, SE 0.700, 1 seed, {judged}: not reproduced">' in page


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_balanced_self_contained_and_escaped():
    label = '<script>alert("&")</script>'
    row = Row('x" onload="y', label, "2x", "failed", note=label)
    page = html(Table("t", label, "mini", ["AP"], [row], label, notes=[label]))
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert page.count("<script") == 0 and page.count("&lt;script&gt;") == 7
    assert {name for name, _ in tags.attributes}.isdisjoint({"src", "href", "onload"})
    assert "url(" not in page and "prefers-color-scheme: dark" in page


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


def test_text_cannot_leave_its_line():
    rows = [Row("a", "two\nlines", "2x", "failed", note="a\n| b |")]
    page = markdown(Table("t", "T\nT", "mini", ["AP"], rows))
    assert "| two lines | *failed* |" in page and r"- two lines: a \| b \|" in page


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
            if suffix != "csv":
                assert f"{scale} scale: " in page
                assert "levels are not comparable with the paper" in page


def full_size(scale):
    """Table A1 with the paper's own values as ours, the longest labels, half of it missing."""
    values = paper.load().table_a1
    label = "+ Training-time augmentation"
    rows = []
    for i, name in enumerate(values):
        printed = values[name].model_dump(exclude_none=True)
        metrics = {k: v for k, v in printed.items() if k != "increments"}
        state = ("done", "done", "not built", "not run")[i % 4]
        errors = {column: error(1.1) for column in metrics}
        steps = {column: error(1.2, 10.5) for column in ("AP", "AP_box")}
        metrics = metrics if state == "done" else None
        rows.append(Row(name, label, "45e", state, metrics, printed, errors=errors, steps=steps))
    columns = ["schedule", "AP", "AP_r", "AP_c", "AP_f", "AP_box"]
    return Table("table_a1", "Steps", scale, columns, rows, "Modification", ["AP", "AP_box"])


@pytest.mark.parametrize("scale", ["mini", "paper"])
def test_the_full_table_fits_100_columns_unbroken(scale):
    lines = text(full_size(scale)).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("+ Training-time augmentation 45e" in line for line in lines) == 12
    assert "…" not in "".join(lines)


def test_a_narrow_terminal_breaks_labels_only():
    out = io.StringIO()
    render_terminal(full_size("mini"), Console(file=out, width=80, color_system=None))
    shown = out.getvalue()
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    assert shown.count("not built") == 3 + 1  # rows and banner


def test_write_table(tmp_path):
    paths = write_table(small(), tmp_path / "new" / "folder")
    assert {k: p.name for k, p in paths.items()} == {
        suffix: f"table_a1.{suffix}" for suffix in ("txt", "md", "tex", "html", "csv", "json")
    }
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(
        p.name for p in paths.values()
    )
    assert paths["md"].read_bytes() == MARKDOWN_MINI.encode()


def test_a_table_that_does_not_render_changes_no_file(tmp_path, monkeypatch):
    paths = write_table(small(), tmp_path)
    before = {p: p.read_bytes() for p in paths.values()}
    monkeypatch.setitem(FORMATS, "json", lambda table: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_table(small("paper"), tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_bytes_do_not_depend_on_process_or_environment(tmp_path):
    code = (
        "import sys; sys.path.insert(0, 'tests/results/tables');"
        "from test_report_render import small, write_table; write_table(small(), sys.argv[1])"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    folders = []
    for seed, environment in (
        ("0", {}),
        ("1", {"COLUMNS": "40", "FORCE_COLOR": "1", "TZ": "Asia/Tokyo"}),
    ):
        folders.append(tmp_path / seed)
        subprocess.run(
            [sys.executable, "-c", code, str(folders[-1])],
            check=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed, **environment},
        )
    first, second = ({p.name: p.read_bytes() for p in f.iterdir()} for f in folders)
    assert len(first) == 6 and first == second
