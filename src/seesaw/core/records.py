"""The record of an artefact: ``<artefact>.provenance.json``, or ``<artefact>.failed.json``.

The Snakefile and every verb import this module, so it imports nothing that is slow to load.
Environment variables are never written to a record; the values of those that are named like a
secret are masked wherever else they appear (for example, a key in argv).
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from seesaw.core import attempts, paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.json import json_or_none
from seesaw.core.secrets import masked
from seesaw.core.versions import git_state, library_versions, processor
from seesaw.errors import PermanentError, UserError


class File(TypedDict):
    """A file in a record, as it was."""

    path: str
    bytes: NotRequired[int]
    sha256: str


@with_config(ConfigDict(extra="allow"))
class Record(TypedDict):
    """The fields of a record that are read in many places; records of old versions lack some."""

    artefact: NotRequired[File | None]
    inputs: NotRequired[dict[str, File] | None]
    command: NotRequired[list[str] | None]


# Whether this is the process of the job that writes; torchrun numbers the processes.
_FIRST = os.environ.get("RANK", "0") == "0"


def provenance_path(artefact: Path | str) -> Path:
    """Return the path of an artefact's record."""
    return Path(f"{artefact}.provenance.json")


def failure_path(artefact: Path | str) -> Path:
    """Return the path of the record of a failed attempt to make an artefact."""
    return Path(f"{artefact}.failed.json")


def read_record(path: Path) -> dict | None:
    """Return a file's content, or None if the file is missing or holds no JSON object."""
    return json_or_none(path, dict)


def record_of(artefact: Path | str) -> dict | None:
    """Return the record of an artefact, or None if it is missing or damaged."""
    return json_or_none(provenance_path(artefact), Record)


def failure_of(artefact: Path | str) -> dict | None:
    """Return the record of an artefact's last failure, or None if there is none."""
    found = read_record(failure_path(artefact))
    return None if found is None else {"error": "no message"} | found


def fault(path: Path, sha256: str | None = None) -> str | None:
    """Return a sentence without its full stop if a file differs from its record, else None.

    Args:
        path: an existing file.
        sha256: its hash, if it is known.
    """
    known = record_of(path)
    if not known and provenance_path(path).is_file():
        return f"{provenance_path(path)} is damaged; {remake(path)}"
    recorded = ((known or {}).get("artefact") or {}).get("sha256")
    if recorded is None or (found := sha256 or sha256_file(path)) == recorded:
        return None
    hashes = f"sha256 {found[:12]}, recorded {recorded[:12]}"
    return f"{path} is not the file that was made ({hashes}); {remake(path)}"


def remake(path: Path) -> str:
    """Return what makes a file again: the command that its record names, if it has one."""
    program, *arguments = (record_of(path) or {}).get("command") or [""]
    if program not in ("seesaw", "__main__.py"):
        return "make it again; `seesaw verify` tells how"
    return f"make it again: `{shlex.join(['seesaw', *map(str, arguments)])}`"


def is_current(
    record: dict | None,
    fingerprint: str | None = None,
    inputs: Mapping[str, str | None] = MappingProxyType({}),
) -> bool:
    """Return whether an artefact was made from the present code, configs and inputs.

    All checks of whether a file is current use this function. Unknown values count as current.

    Args:
        record: the artefact's record.
        fingerprint: the fingerprint that the same job has now.
        inputs: name -> sha256 of the present file, from `recorded_hashes` or from its bytes.
    """
    record = record or {}
    made = record.get("fingerprint")
    if made and fingerprint and made != fingerprint:
        return False
    return not changed_inputs(record, inputs)


def changed_inputs(record: dict, inputs: Mapping[str, str | None]) -> list[str]:
    """Return the names of a record's inputs that have changed; see `is_current` for arguments."""
    used = record.get("inputs") or {}
    return [name for name in used if inputs.get(name) not in (None, used[name]["sha256"])]


def recorded_hashes(record: dict | None) -> dict[str, str | None]:
    """Return name -> sha256 of each input as its own record states it; only records are read."""
    used = (record or {}).get("inputs") or {}
    made = {name: record_of(file["path"]) for name, file in used.items()}
    own = {name: found.get("artefact") for name, found in made.items() if found}
    return {name: file["sha256"] for name, file in own.items() if file}


def write_failure(artefact: Path | str, error: BaseException | str, **facts: Any) -> Path:
    """Record why an artefact could not be made; tables then show the cell as *failed*."""
    path = failure_path(artefact)
    kind = None if isinstance(error, str) else type(error).__name__
    content = {"error": str(error), "type": kind, "time": _now(), "command": _command()}
    write_atomic(path, dump({**content, "host": platform.node(), **facts}))
    return path


def clear_failure(artefact: Path | str) -> None:
    """Delete the record of an earlier failure; called when the job starts again."""
    failure_path(artefact).unlink(missing_ok=True)


def refuse_known_failure(artefact: Path | str, fingerprint: str) -> None:
    """Refuse to start if an earlier attempt with this fingerprint met a permanent error.

    Raises:
        PermanentError: the message repeats that error and says how to delete its record.
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
            clear_failure(artefact)

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
        records = [dump({"artefact": _file(a), **common}) for a in self.artefacts]
        for artefact, record in zip(self.artefacts, records, strict=True):
            write_atomic(provenance_path(artefact), record)
        if self.artefacts:
            attempts.end(self.root, self.artefacts[0])


def record(*artefacts: Path | str, **facts: Any) -> None:
    """Write the records of finished artefacts (for the arguments see `Provenance`)."""
    with Provenance(*artefacts, **facts):
        pass


def _file(path: Path | str) -> dict:
    try:
        size = os.path.getsize(path)
        return {"path": Path(path).as_posix(), "bytes": size, "sha256": sha256_file(path)}
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it first.") from None


def _whole(path: Path | str) -> dict:
    found = _file(path)
    if sentence := fault(Path(path), found["sha256"]):
        raise UserError(f"{sentence}.")
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _processor() -> tuple[str, int]:
    """Return the GPU's model and the number of visible GPUs, or the CPU's model and 0.

    torch is queried only if the job has imported it.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name(), torch.cuda.device_count()
    return processor(), 0


def dump(content: dict) -> str:
    """Return a record as JSON text in which secrets are masked."""
    return json.dumps(masked(content), indent=2, ensure_ascii=False) + "\n"


def recorded_seconds(record: dict) -> float | None:
    """Return the seconds that an artefact took, over all attempts of a resumed training."""
    if "seconds_per_iteration" in record:
        return record["seconds_per_iteration"] * record["iterations"]
    return record.get("duration")
