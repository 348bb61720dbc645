"""Look names up by a unique prefix, and suggest the closest ones for a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import accumulate, takewhile

from seesaw.errors import UserError

MOST = 600  # characters of all names; the files of a table may have long ones
ALIKE, SPREAD = 0.6, 0.1  # the least ratio, as in difflib, and the most below the best name's


def unique(given: str, names: Iterable[str], what: str) -> str:
    """Return the name that is ``given`` or, if there is none, the only one that begins with it.

    ``what`` begins the message, for instance ``configs/experiments.yaml: the training``.

    Raises:
        UserError: no name or several match; the message lists the closest names, or the names.
    """
    names = [*names]
    found = [n for n in names if n == given] or [n for n in names if n.startswith(given)]
    if len(found) == 1:
        return found[0]
    if found and given:
        raise UserError(f"{what} {given!r} is not unique; use one of {_listed(found)}.")
    raise UserError(f"{what} {given!r} is unknown; {instead(given, names)}")


def instead(given: str, names: Iterable[str]) -> str:
    """Return a sentence's end: up to three names close to a wrong one, or else the names."""
    if not (names := sorted(names)):
        return "there are none."
    if found := close(given, names):
        return f"did you mean {' or '.join(found)}?"
    return f"use one of {_listed(names)}."


def _listed(names: list[str]) -> str:
    """Return names as a text; of many, the first ones and the number of the others."""
    ends = accumulate(len(name) + 2 for name in names)
    shown = names[: max(sum(end <= MOST for end in ends), 1)]
    more = f" or {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return ", ".join(shown) + more


def close(given: str, names: Iterable[str]) -> list[str]:
    """Return the closest names, at most three, the closest first; none if no name is close."""

    def alike(name: str) -> tuple[float, int]:
        ends = (len(name), len(given))  # ids are named by a prefix: a10 is a10_seesaw
        matched = (SequenceMatcher(None, given.lower(), name[:n].lower()) for n in ends)
        first = takewhile(lambda pair: pair[0] == pair[1], zip(given, name, strict=False))
        return max(m.ratio() for m in matched), len([*first])

    ratios = {name: alike(name) for name in names if given}
    best, _ = max(ratios.values(), default=(0.0, 0))
    found = [name for name, (ratio, _) in ratios.items() if ratio >= max(ALIKE, best - SPREAD)]
    return sorted(found, key=ratios.__getitem__, reverse=True)[:3]
