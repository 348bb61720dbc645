"""The report as one HTML file; the same results give the same bytes."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from seesaw.results.claims.page import HEADS
from seesaw.results.report import TEMPLATE, examples
from seesaw.results.report.content import Content, data_uri
from seesaw.results.report.curves import BINS, FLOOR, HEIGHT, KINDS, LEFT, WIDTH
from seesaw.results.tables.html import STYLE
from seesaw.results.tables.recorded import write_texts
from seesaw.spec.scales import Scale


def render(content: Content) -> str:
    """Return the whole HTML document."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"picture": picture, "duration": duration}
    axes = dict(width=WIDTH, height=HEIGHT, left=LEFT, kinds=KINDS)
    return environment.get_template(TEMPLATE.name).render(
        **vars(content),
        style=STYLE,
        rule=examples.RULE,
        bins=BINS,
        least=FLOOR,
        heads=HEADS,
        **axes,
    )


def write(content: Content, scale: Scale, fingerprint: str | None = None) -> Path:
    """Write the page, complete or partial, and its record, unless the same one is there already."""
    path = scale.report(partial=bool(content.missing))
    write_texts({path: render(content)}, content.read, fingerprint=fingerprint)
    return path


def picture(content: bytes) -> str:
    """Return an example as a data URI: PNG, or WebP as the reference keeps it."""
    return data_uri(content, "webp" if content[8:12] == b"WEBP" else "png")


def duration(seconds: float | None) -> str:
    """Format a time as seconds, minutes, or hours and minutes; a dash where it is unknown."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
