"""The results of a preflight: single checks, a row for each training, and the whole report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from seesaw.models.sizes import Size
from seesaw.spec.expected import FILE


@dataclass(frozen=True)
class Check:
    """One comparison; ``ok`` is None where it could not be made, and ``text`` says why."""

    name: str
    ok: bool | None
    text: str


@dataclass
class Row:
    """The properties of one training; ``faults`` are sentences, empty if there is no fault."""

    name: str
    size: Size | None = None
    iterations: int | None = None
    images: int | None = None
    passes: int | None = None
    gigabytes: float | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """All checks of a scale."""

    checks: list[Check]
    rows: list[Row]
    gpus: int
    memory: float | None

    @property
    def green(self) -> bool:
        """Whether no check failed."""
        return all(c.ok is not False for c in self.checks) and not any(r.faults for r in self.rows)


def same(name: str, found: Any, expected: Any) -> Check:
    """Compare two values and show them as one if they are equal."""
    ok, text = found == expected, spelled(found)
    return Check(name, ok, text if ok else f"{text}, but {FILE} says {spelled(expected)}")


def spelled(value: Any) -> str:
    """Format a value as the page shows it."""
    if isinstance(value, int):
        return f"{value:,}"
    return "/".join(map(str, value)) if isinstance(value, list) else json.dumps(value)
