"""Prints docs/cli.md from the command line's own parser: ``make cli-reference``."""

import argparse
import os

os.environ["COLUMNS"] = "100"  # of the help texts, whatever the terminal
os.environ.pop("SEESAW_SCALE", None)  # it is the default of --scale

from seesaw.cli.main import parser

HEAD = """\
# Command line

This page lists the verbs of the command line with their options, as `--help` prints them. Exit code
2 means a mistake in the call or in a file, reported in one sentence; 75 means that the work was
interrupted and goes on when the same command is called again. The description of a verb says what
its other exit codes mean. `make cli-reference` writes this page.
"""


def section(title: str, help_text: str) -> str:
    """A heading and a help text as it is printed."""
    return f"## {title}\n\n```text\n{help_text.rstrip()}\n```\n"


def page() -> str:
    """The whole page."""
    root = parser()
    (verbs,) = (a for a in root._actions if isinstance(a, argparse._SubParsersAction))
    parts = [HEAD, section("seesaw", root.format_help())]
    parts += [section(f"seesaw {name}", sub.format_help()) for name, sub in verbs.choices.items()]
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
