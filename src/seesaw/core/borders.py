"""Text from data where it leaves the program and could be read as markup, formulas or paths.

Names of categories, files and data sets may contain anything. HTML is escaped by jinja2 and
`html.escape`, LaTeX and Markdown by `seesaw.results.tables.formats`.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 100  # columns where the output is no terminal


def plain(text: str, most: int = 60) -> str:
    """Return a text on one line, without control characters and of at most ``most`` characters."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def one_line(text: str) -> str:
    r"""Return a text on one line, in which a file's line break or control character is a \n."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def file_name(text: str) -> str:
    """Return a text's beginning with only characters that are safe in file names anywhere."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text[:60])


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV, each ended by a line feed; None is an empty cell."""
    lines = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow(row)  # whose usual end, CR LF, makes it quote either of them
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def console(width: int | None = WIDTH, **options: Any) -> Console:
    """Return a console that prints texts as they are, without rich's markup and emoji names.

    ``width`` (columns) is that of an output that is no terminal; None is rich's own.
    """
    from rich.console import Console

    output = options.get("file") or sys.stdout
    columns = None if output.isatty() else width
    return Console(width=columns, markup=False, emoji=False, **options)


def listing(*heads: str, numbers: Collection[str] = ()) -> Table:
    """Return an empty table for a terminal; ``numbers`` are aligned to the right, not wrapped."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for head in heads:
        if head in numbers:
            table.add_column(head, justify="right", no_wrap=True)
        else:
            table.add_column(head, overflow="fold")
    return table


@contextmanager
def drawing() -> Iterator[None]:
    """Let matplotlib draw texts as they are, without formulas, whatever the user's settings are.

    Characters that the font lacks are drawn as boxes, without a warning for each.
    """
    import matplotlib

    with (
        matplotlib.rc_context({"text.parse_math": False, "text.usetex": False}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
