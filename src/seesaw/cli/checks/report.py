"""A check's result, and the page of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

State = Literal["ok", "missing", "remark", "not needed"]
_MARKS = {"ok": ("✓", "green"), "missing": ("✗", "bold red"), "remark": ("!", "yellow")}


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        state: "missing" is needed for the scale; a "remark" is worth knowing.
        found: one line.
        fix: what to type or do.
    """

    state: State
    found: str
    fix: str = ""


Check = Callable[[], Finding]


def run(checks: dict[str, Check]) -> dict[str, Finding]:
    """All findings; a check that breaks is missing, with its error."""
    found = {}
    for name, check in checks.items():
        try:
            found[name] = check()
        except Exception as error:  # a broken installation raises anything
            told = " ".join(str(error).split())[:160]
            found[name] = Finding("missing", f"{type(error).__name__}: {told}", "tools/setup.sh")
    return found


def render(found: dict[str, Finding], console: Console) -> None:
    """Print a line a check, and what to do below it."""
    for name, finding in found.items():
        mark, style = _MARKS.get(finding.state, ("–", "dim"))
        console.print(Text(f"{mark} {name}: {finding.found}", style=style), soft_wrap=True)
        if finding.fix and finding.state in ("missing", "remark"):
            console.print(Text(f"    {finding.fix}"), soft_wrap=True)
    lacking = [name for name, finding in found.items() if finding.state == "missing"]
    console.print(f"missing: {', '.join(lacking)}" if lacking else "nothing is missing")
