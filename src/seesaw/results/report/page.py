"""The report as one HTML file: the same results give the same bytes."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from seesaw.core.files import write_atomic
from seesaw.core.records import Provenance
from seesaw.results.report import TEMPLATE, examples
from seesaw.results.report.content import Content, data_uri
from seesaw.results.report.curves import BINS, FLOOR, HEIGHT, KINDS, LEFT, WIDTH
from seesaw.results.tables.html import STYLE
from seesaw.results.tables.recorded import is_same
from seesaw.spec import report
from seesaw.spec.scales import Scale


def render(content: Content) -> str:
    """The whole document."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"png": lambda image: data_uri(image, "png"), "duration": duration}
    axes = dict(width=WIDTH, height=HEIGHT, left=LEFT, kinds=KINDS)
    return environment.get_template(TEMPLATE.name).render(
        **vars(content), style=STYLE, rule=examples.RULE, bins=BINS, least=FLOOR, **axes
    )


def write(content: Content, scale: Scale, fingerprint: str | None = None) -> Path:
    """Write the page and its record, whole or partial; one that says the same stays as it is.

    Args:
        content: the page's.
        scale: its scale.
        fingerprint: of the code.
    """
    path = report.output(scale, partial=bool(content.missing))
    text = render(content)
    if not is_same(path, text, content.read):
        with Provenance(path, inputs=content.read, fingerprint=fingerprint):
            write_atomic(path, text)
    return path


def duration(seconds: float | None) -> str:
    """A time with the two units that tell; a dash where it is unknown."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
