"""How often a piece of work has been begun, however it ended: killed, requeued, failed.

Counted under .cache/attempts until it succeeds. Standard library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path


def begin(root: Path, artefact: Path, fingerprint: str | None, count: bool = True) -> int:
    """The number of this attempt at an artefact, from 1.

    Args:
        root: the repository's root.
        artefact: what is made.
        fingerprint: of the work; with another one the count begins anew.
        count: note it (of several processes, one does).
    """
    path = _path(root, artefact)
    known = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
    number = known.get("attempts", 0) if known.get("fingerprint") == fingerprint else 0
    if count:
        content = {"artefact": str(artefact), "fingerprint": fingerprint, "attempts": number + 1}
        with contextlib.suppress(OSError):  # a count is not worth a failure
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return number + 1


def end(root: Path, artefact: Path) -> None:
    """The artefact is made: the next time is a first attempt."""
    with contextlib.suppress(OSError):
        _path(root, artefact).unlink(missing_ok=True)


def _path(root: Path, artefact: Path) -> Path:
    name = hashlib.sha256(str(artefact).encode()).hexdigest()[:16]
    return root / ".cache" / "attempts" / f"{name}.json"
