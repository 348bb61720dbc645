"""Collects the content of the report from files; results that are missing are listed as missing."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from seesaw.core import paths
from seesaw.core.files import sha256_file
from seesaw.core.hashing import fingerprint
from seesaw.core.integrity import corrupted
from seesaw.results.claims import page as claims_page
from seesaw.results.report import curves, examples
from seesaw.results.report.runs import Run, environment, runs
from seesaw.results.tables import formats, html
from seesaw.results.tables.collect import collect
from seesaw.results.tables.layout import columns, heading
from seesaw.results.tables.recorded import table_inputs
from seesaw.results.tables.render import FORMATS
from seesaw.results.tables.tables import Table, missing
from seesaw.spec import claims as claim_table
from seesaw.spec import figures
from seesaw.spec.experiments import PLACES
from seesaw.spec.scales import Scale

NOT_THE_PAPERS = {
    "smoke": "Smoke scale: a few images and iterations prove the plumbing. Every number is noise.",
    "demo": "Demo scale: one small model on generated images. These numbers are not the paper's.",
    "mini": "Mini scale: generated images, small models, short schedules. These numbers are not "
    "the paper's, and levels are never compared with it: only the sign of a step is.",
    "single_gpu": "One-GPU scale: LVIS v1 with a smaller model, smaller images and a sixth of the "
    "schedule. Levels are not the paper's: only the sign of a step is compared.",
}


@dataclass(frozen=True)
class Shown:
    """A table (``html``) or a figure (``picture``, a data URI; None if it was not computed).

    ``links`` are those to its files: text -> address. A table's ``heads`` name its columns after
    the first.
    """

    name: str
    title: str
    links: dict[str, str]
    html: str = ""
    heads: tuple[str, ...] = ()
    picture: str | None = None


@dataclass(frozen=True)
class Claims:
    """The claims of the reference: ``said`` of them all, and a row of cells for each."""

    said: str
    rows: list[list[str]]
    links: dict[str, str]


@dataclass(frozen=True)
class Content:
    """The content of the whole page."""

    scale: str  # name of the scale, for instance "mini"
    folder: Path  # of the results
    frozen: bool  # whether they are the committed reference, which holds no weights and times
    warning: str | None  # why the numbers are not the paper's; None at paper scale
    fingerprint: str  # 16 hex digits of a hash over the metrics that are shown
    tables: list[Shown]
    figures: list[Shown]  # drawn or not
    claims: Claims | None  # of the reference; None of live results, whose report precedes them
    examples: examples.Examples
    curves: list[curves.Curve]  # one panel for each training
    ticks: list[tuple[str, float]]  # ticks of the panels' common axis
    runs: list[Run]
    environment: dict[str, list[str]]  # name -> versions
    missing: list[str]  # the results that have not been computed
    read: dict[str, Path]  # name -> file, for the record


def gather(scale: Scale) -> Content:
    """Collect all results of a scale that exist.

    Raises:
        UserError: a result is damaged.
    """
    table = scale.table
    places = [collect(place, scale) for place in PLACES if table.place_cells(place)]
    drawn = [_figure(name, scale) for name in figures.available(scale)]
    lacks = [t.name for t in places if missing(t).keys() - {"not built"}]
    lacks += [f"the drawing of {f.name}" for f in drawn if f.picture is None]
    frozen = scale.results == scale.reference
    made = runs(scale)
    pictured = examples.kept(scale) if frozen else examples.examples(scale)
    panels, ticks = curves.panels([(run.name, run.steps) for run in made])
    of_tables = [path for t in places for path in table_inputs(t.name, scale).values()]
    metrics = dict.fromkeys(path for path in of_tables if path.name == "metrics.json")
    digests = {_below(path, scale): sha256_file(path) for path in metrics}
    read = [*of_tables, *pictured.read, *(path for run in made for path in run.read)]
    read += [path for f in drawn if (path := _drawn(f.name, scale)["svg"]).is_file()]
    return Content(
        scale=scale.full_name,
        folder=scale.results,
        frozen=frozen,
        warning=_warning(scale),
        fingerprint=fingerprint(**digests),
        tables=[_table(t, scale) for t in places],
        figures=drawn,
        claims=_claims(scale) if frozen else None,
        examples=pictured,
        curves=panels,
        ticks=ticks,
        runs=made,
        environment=environment(made),
        missing=lacks,
        read={_below(path, scale): path for path in read if not corrupted([path])},
    )


def _warning(scale: Scale) -> str | None:
    if scale.full_name == "paper":
        return None
    if scale.full_name == scale.name:
        own = f"{scale.name} scale: not the paper's settings, nor are these numbers the paper's."
        return NOT_THE_PAPERS.get(scale.name, own)
    small = "" if scale.name == "paper" else f", and its models are those of {scale.name} scale"
    return f"{scale.entry.name} is not the paper's data{small}: nor are these numbers the paper's."


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture as a data URI; ``kind`` is the second half of its media type."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _table(table: Table, scale: Scale) -> Shown:
    files = {kind: scale.tables / f"{table.name}.{kind}" for kind in FORMATS}
    heads = tuple(formats.HEADS.get(c.key, c.key) for c in columns(table)[1:])
    made = html.fragment(table, f"{table.name}-")
    return Shown(table.name, heading(table), _links(files, scale), made, heads)


def _figure(name: str, scale: Scale) -> Shown:
    files = _drawn(name, scale)
    svg = files["svg"]
    picture = data_uri(svg.read_bytes(), "svg+xml") if svg.is_file() else None
    return Shown(
        name, figures.FIGURES[name], _links(files, scale) if picture else {}, picture=picture
    )


def _claims(scale: Scale) -> Claims | None:
    claims = claim_table.of(scale)
    if claims is None or (made := claims_page.judged(scale, claims)) is None:
        return None
    files = {"json": claim_table.outputs(scale)["json"]}
    said = " ".join(claims_page.said(made))
    return Claims(said, claims_page.each(made), _links(files, scale))


def _drawn(name: str, scale: Scale) -> dict[str, Path]:
    frozen = scale.results == scale.reference
    return figures.committed(name) if frozen else figures.outputs(name, scale)


def _links(files: dict[str, Path], scale: Scale) -> dict[str, str]:
    folder = scale.results / "report"
    there = {kind: path for kind, path in files.items() if path.is_file()}
    return {kind: Path(relpath(path, folder)).as_posix() for kind, path in there.items()}


def _below(path: Path, scale: Scale) -> str:
    inside = path.is_relative_to(scale.results)
    return (path.relative_to(scale.results if inside else paths.ROOT)).as_posix()
