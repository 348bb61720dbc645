"""Count the attempts of a job, including those that were killed, requeued or failed.

The counts are stored under .cache/attempts until the job succeeds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import TypedDict

from seesaw.core.files import lock, write_atomic
from seesaw.core.json import json_or_none


class _Count(TypedDict):
    artefact: str
    fingerprint: str | None
    attempts: int


def begin(root: Path, artefact: Path, fingerprint: str | None, count: bool = True) -> int:
    """Return the number of this attempt to make an artefact, counted from 1.

    The count restarts when ``fingerprint`` changes. It is stored with ``count``, which only one
    of several processes should set.
    """
    path = _path(root, artefact)
    known = json_or_none(path, _Count)
    number = known["attempts"] if known and known["fingerprint"] == fingerprint else 0
    if count:
        content = {"artefact": str(artefact), "fingerprint": fingerprint, "attempts": number + 1}
        with contextlib.suppress(OSError):  # a missing count must not fail the job
            write_atomic(path, json.dumps(content) + "\n")
    return number + 1


def end(root: Path, artefact: Path) -> None:
    """Delete the count of a finished artefact, so that its next attempt is number 1."""
    with contextlib.suppress(OSError):
        _path(root, artefact).unlink(missing_ok=True)


@contextlib.contextmanager
def alone(root: Path, artefact: Path) -> Iterator[None]:
    """Exclude other processes that make the same artefact from the same folder.

    A SLURM job only looks whether a process outside of SLURM makes it. It does not keep the lock,
    because its node may not answer for a while; the lease of a training excludes other jobs.

    Raises:
        UserError: another process makes it; the sentence names that process and its host.
    """
    with contextlib.ExitStack() as held:
        held.enter_context(lock(_path(root, artefact, "locks").with_suffix(""), str(artefact)))
        if "SLURM_JOB_ID" in os.environ:
            held.close()
        yield


def _path(root: Path, artefact: Path, folder: str = "attempts") -> Path:
    # The same however the root is named; the artefact itself may be a link into DVC's cache.
    there = artefact.parent.resolve() / artefact.name
    below = os.path.relpath(there, root.resolve())
    name = hashlib.sha256(below.encode()).hexdigest()[:16]
    return root / ".cache" / folder / f"{name}.json"
