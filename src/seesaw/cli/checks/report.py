"""The results of doctor's checks, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from seesaw.core.secrets import masked
from seesaw.errors import UserError

State = Literal["ok", "missing", "remark", "not needed"]
# With .venv goes the stamp by which set-up knows that it has nothing to do.
SETUP = "rm -rf .venv && tools/setup.sh"
_MARKS = {"ok": ("✓", "green"), "missing": ("✗", "bold red"), "remark": ("!", "yellow")}


@dataclass(frozen=True)
class Finding:
    """The result of a check."""

    state: State  # "missing": needed for the scale; "remark": worth knowing
    found: str  # one line that describes the result
    fix: str = ""  # the command or action that helps


Check = Callable[[], Finding]


def run(checks: dict[str, Check]) -> dict[str, Finding]:
    """Run all checks; a check that raises an error counts as missing, with that error.

    The sentence of a user's mistake contains its fix. A file with a mistake is read by several
    checks, of which the first reports it.
    """
    found: dict[str, Finding] = {}
    mistakes: dict[str, str] = {}
    for name, check in checks.items():
        try:
            result = check()
        except UserError as mistake:
            if (first := mistakes.setdefault(str(mistake), name)) == name:
                result = Finding("missing", str(mistake))
            else:
                result = Finding("remark", f"not checked, because of {first}")
        except PermissionError as error:
            fix = "give this user the permission, or use a copy elsewhere"
            result = Finding("missing", f"{error.filename}: {error.strerror}", fix)
        except Exception as error:  # a broken installation can raise any error
            message = " ".join(str(error).split())[:160]
            result = Finding("missing", f"{type(error).__name__}: {message}", SETUP)
        found[name] = Finding(result.state, masked(result.found), masked(result.fix))
    return found


def print_findings(found: dict[str, Finding], console: Console) -> None:
    """Print a line for each check, followed by what to do."""
    for name, finding in found.items():
        mark, style = _MARKS.get(finding.state, ("–", "dim"))
        console.print(Text(f"{mark} {name}: {finding.found}", style=style), soft_wrap=True)
        if finding.fix and finding.state in ("missing", "remark"):
            console.print(Text(f"    {finding.fix}"), soft_wrap=True)
    lacking = [name for name, finding in found.items() if finding.state == "missing"]
    console.print(f"missing: {', '.join(lacking)}" if lacking else "nothing is missing")
