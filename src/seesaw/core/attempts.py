"""Count the attempts of a job, including those that were killed, requeued or failed.

The counts are stored under .cache/attempts until the job succeeds. This module uses the standard
library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path


def begin(root: Path, artefact: Path, fingerprint: str | None, count: bool = True) -> int:
    """Return the number of this attempt to make an artefact, counted from 1.

    Args:
        root: the repository's root.
        artefact: the file that the job makes.
        fingerprint: the job's fingerprint; the count restarts when it changes.
        count: whether to store the new count; only one of several processes should do so.
    """
    path = _path(root, artefact)
    known = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
    number = known.get("attempts", 0) if known.get("fingerprint") == fingerprint else 0
    if count:
        content = {"artefact": str(artefact), "fingerprint": fingerprint, "attempts": number + 1}
        with contextlib.suppress(OSError):  # a missing count must not fail the job
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return number + 1


def end(root: Path, artefact: Path) -> None:
    """Delete the count of a finished artefact, so that its next attempt is number 1."""
    with contextlib.suppress(OSError):
        _path(root, artefact).unlink(missing_ok=True)


def _path(root: Path, artefact: Path) -> Path:
    name = hashlib.sha256(str(artefact).encode()).hexdigest()[:16]
    return root / ".cache" / "attempts" / f"{name}.json"
