"""A single HTML page of all results of a scale; it needs no network and no other file."""

from pathlib import Path

TEMPLATE = Path(__file__).with_name("page.html.j2")
