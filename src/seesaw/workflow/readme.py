"""The parts of the README with reference results: tables, claims, figures, detections."""

from pathlib import Path
from sys import maxsize

from seesaw.core import paths
from seesaw.core.files import replacing, write_atomic
from seesaw.errors import UserError
from seesaw.evaluation.ground_truth import GROUPS
from seesaw.results.claims import page
from seesaw.results.figures.results import table
from seesaw.results.report.examples import examples
from seesaw.results.tables.collect import collect
from seesaw.results.tables.layout import number
from seesaw.spec.figures import committed
from seesaw.spec.metrics import BRIEF
from seesaw.spec.scales import Scale

README, PICTURE = paths.ROOT / "README.md", paths.ROOT / "docs/detections.png"
PLACES = ("table_a1", "table_a2")
MILESTONES = ("a01", "a05", "a07", "a10", "a12")  # rows of Table A1 on the first screen
SURE = 0.3  # score of a detection that both evaluations show in the picture, if there are such
# Figure -> heading and description
FIGURES = {
    "figure_a1": (
        "Figure A1",
        "Cumulative positive over negative gradients of each category, cross-entropy and Seesaw "
        "Loss",
    ),
    "error_analysis": (
        "Error analysis",
        "Not in the paper: AP50 gained if one type of error is mended, and what rare objects are "
        "taken for, with cross-entropy and with Seesaw Loss",
    ),
}


def marks(part: str) -> tuple[str, str]:
    """Return the lines of the README before and after a part that is written by this module."""
    return f"<!-- {part}: written by `seesaw freeze mini` -->\n", f"<!-- end of {part} -->\n"


def milestones(scale: Scale) -> str:
    """Return five rows of the committed Table A1 as Markdown."""
    frozen = scale.frozen()
    rows = collect("table_a1", frozen).rows
    cells = [
        [row.label, *(number(row.value(column)) for column in BRIEF)]
        for row in rows
        if row.id.split("_")[0] in MILESTONES
    ]
    return table([f"Five rows of Table A1 ({scale.name} scale)", *BRIEF], cells)


def results(scale: Scale) -> str:
    """Return the committed tables as Markdown, the claims' verdicts and figures if they exist."""
    parts = [(scale.frozen().tables / f"{p}.md").read_text("utf-8") for p in PLACES]
    if made := page.reference(scale):
        head = f"### [The paper's claims]({page.PAGE.as_posix()}) ({scale.name} scale)"
        parts.append(f"{head}\n\n{page.brief(made)}")
    for name, (heading, described) in FIGURES.items():
        if (file := committed(name)["png"]).is_file():
            shown = f"![{described}]({file.as_posix()})"
            parts.append(f"### {heading} ({scale.name} scale)\n\n{shown}\n")
    return "\n".join(parts)


def commit(scale: Scale, picture: bool = True) -> list[Path]:
    """Write the results between README.md's markers, and the first example detections.

    With ``picture`` these are drawn, from the results here. The written files are returned, none if
    the reference has no table.

    Raises:
        UserError: README.md lacks a marker.
    """
    if not all((scale.frozen().tables / f"{p}.md").is_file() for p in PLACES):
        return []
    text = README.read_text("utf-8")
    for part, made in (("milestones", milestones(scale)), ("results", results(scale))):
        begin, end = marks(part)
        if not 0 <= text.find(begin) < text.find(end):
            raise UserError(
                f"{README} lacks {begin.strip()!r} or {end.strip()!r} after it: put it in."
            )
        head, tail = text.split(begin)[0], text.split(end)[1]
        text = f"{head}{begin}\n{made}\n{end}{tail}"
    write_atomic(README, text)
    if not picture:
        return [README]
    surely = (examples(scale, maxsize, SURE, group).pictures for group in GROUPS)
    if not (shown := next(filter(None, surely), None) or examples(scale).pictures):
        return [README]
    with replacing(PICTURE) as temporary:
        temporary.write_bytes(shown[0][1])
    return [README, PICTURE]
