"""Write the record of an artefact while a job makes it: ``<artefact>.provenance.json``.

A job that fails leaves ``<artefact>.failed.json`` instead; `seesaw.core.records` reads both.
Environment variables are never written to a record; the values of those that are named like a
secret are masked wherever else they appear (for example, a key in argv).
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from seesaw.core import attempts, paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.records import File, dump, failure_of, failure_path, fault, provenance_path
from seesaw.core.versions import git_state, library_versions, processor
from seesaw.errors import PermanentError, UserError

# Whether this is the process of the job that writes; torchrun numbers the processes.
_FIRST = os.environ.get("RANK", "0") == "0"


def write_failure(artefact: Path | str, error: BaseException | str, **facts: Any) -> Path:
    """Record why an artefact could not be made; tables then show the cell as *failed*."""
    path = failure_path(artefact)
    kind = None if isinstance(error, str) else type(error).__name__
    content = {"error": str(error), "type": kind, "time": _now(), "command": _command()}
    write_atomic(path, dump({**content, "host": platform.node(), **facts}))
    return path


def refuse_known_failure(artefact: Path | str, fingerprint: str) -> None:
    """Raise the PermanentError of an earlier attempt with this fingerprint again, if there is one.

    The message says how to delete its record.
    """
    path = failure_path(artefact)
    known = failure_of(artefact) or {}
    same = known.get("fingerprint") == fingerprint
    if same and known.get("type") == PermanentError.__name__:
        raise PermanentError(
            f"{known['error']} An earlier attempt ended so, and nothing has changed since; "
            f"to try again all the same: rm {shlex.quote(str(path))}"
        )


class Provenance:
    """Measure the time of a job and write a record beside each artefact when the job succeeds.

    The git state, requirements.lock and the inputs are hashed at the start, because these are what
    the job uses; the artefacts are hashed at the end. After an ``Exception`` a failure record is
    written instead; after an interruption no record is written.

    Args:
        artefacts: Files that the job makes; they must exist when it ends.
        inputs: Name to path of every file that the job reads.
        root: Folder of the git checkout and of requirements.lock.
        facts: ``fingerprint``, ``config_hash``, ``seed``, ``device``, ``attempt`` (counted by
            default), ``wandb_run``, ...; more can be added to the attribute ``facts`` while the
            job runs.

    Raises:
        UserError: at the start an input is missing or differs from its own record, or an artefact
            is missing at the end; or another process makes the same artefact.
    """

    def __init__(
        self,
        *artefacts: Path | str,
        inputs: Mapping[str, Path | str] | None = None,
        root: Path = paths.ROOT,
        **facts: Any,
    ):
        self.artefacts = [Path(a) for a in artefacts]
        self.inputs = dict(inputs or {})
        self.root = Path(root)
        unknown = {"fingerprint": None, "config_hash": None, "seed": None, "attempt": None}
        self.facts: dict[str, Any] = unknown | facts

    def __enter__(self) -> Provenance:
        self._clock, start = time.monotonic(), _now()
        with contextlib.ExitStack() as held:
            if self.artefacts and _FIRST:
                held.enter_context(attempts.alone(self.root, self.artefacts[0]))
            self._begin(start)
            self._held = held.pop_all()
        return self

    def _begin(self, start: str) -> None:
        lock = self.root / paths.LOCK.name
        self.state: dict[str, Any] = {
            "command": _command(),
            "git": git_state(self.root),
            "lock": sha256_file(lock) if lock.exists() else None,
            "versions": library_versions(),
            "inputs": {name: _whole(path) for name, path in sorted(self.inputs.items())},
            "host": platform.node(),
            "start": start,
        }
        if self.facts["attempt"] is None and self.artefacts:
            asked = self.artefacts[0], self.facts["fingerprint"], _FIRST
            self.facts["attempt"] = attempts.begin(self.root, *asked)
        for artefact in self.artefacts:
            failure_path(artefact).unlink(missing_ok=True)  # of an earlier attempt

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        with self._held:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            with contextlib.suppress(OSError):  # a full disk must not hide the error itself
                facts = {name: self.facts[name] for name in ("attempt", "fingerprint")}
                for artefact in self.artefacts:
                    # the first rank to fail knows the cause; the others only lose contact
                    if not failure_path(artefact).exists():
                        write_failure(artefact, error, **facts)
        if error is not None or not _FIRST:
            return
        seconds = round(time.monotonic() - self._clock, 3)
        name, gpus = _processor()
        cores = f"{name}, {os.cpu_count()} cores"
        device = f"{gpus} x {name}" if gpus else f"cpu ({cores})"
        machine = {"device": device, "processor": name}
        common = {**self.state, "duration": seconds, **machine, **self.facts}
        records = [dump({"artefact": file_of(a), **common}) for a in self.artefacts]
        for artefact, record in zip(self.artefacts, records, strict=True):
            write_atomic(provenance_path(artefact), record)
        if self.artefacts:
            attempts.end(self.root, self.artefacts[0])


def record(*artefacts: Path | str, **facts: Any) -> None:
    """Write the records of finished artefacts (for the arguments see `Provenance`)."""
    with Provenance(*artefacts, **facts):
        pass


def file_of(path: Path | str, final: Path | None = None) -> File:
    """Return what a record says of a file, which is at ``final`` once all is in place.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        size = os.path.getsize(path)
        return {"path": Path(final or path).as_posix(), "bytes": size, "sha256": sha256_file(path)}
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it first.") from None


def _whole(path: Path | str) -> File:
    found = file_of(path)
    if sentence := fault(Path(path), found["sha256"]):
        raise UserError(f"{sentence}.")
    return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _processor() -> tuple[str, int]:
    """Return the GPU's model and how many the job uses, or the CPU's model and 0.

    Each process uses one, however many it sees; torchrun's other processes may be on other nodes.
    torch is queried only if the job has imported it.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name(), int(os.environ.get("WORLD_SIZE", 1))
    return processor(), 0
