"""The record of an artefact: ``<artefact>.provenance.json``, or ``<artefact>.failed.json``.

The Snakefile and every verb import this module, so it uses the standard library only. Environment
variables are never written to a record; the values of those that are named like a secret are masked
wherever else they appear (for example, a key in argv).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seesaw.core import attempts, paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.secrets import masked
from seesaw.errors import PermanentError, UserError

LIBRARIES = ["torch", "onedl-mmcv", "onedl-mmengine", "onedl-mmdetection"]
LIBRARIES += ["numpy", "snakemake", "seesaw"]
# Untracked files of these kinds count as uncommitted changes; data and images do not.
SOURCES = ("*.py", "*.smk", "*.yaml", "*.toml", "*Snakefile")

# Whether this is the process of the job that writes; torchrun numbers the processes.
_FIRST = os.environ.get("RANK", "0") == "0"


def provenance_path(artefact: Path | str) -> Path:
    """Return the path of an artefact's record."""
    return Path(f"{artefact}.provenance.json")


def failure_path(artefact: Path | str) -> Path:
    """Return the path of the record of a failed attempt to make an artefact."""
    return Path(f"{artefact}.failed.json")


def read_record(path: Path) -> dict | None:
    """Return a record's content, or None if the file is missing or holds no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


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
    made = {name: read_record(provenance_path(file["path"])) for name, file in used.items()}
    return {name: found["artefact"]["sha256"] for name, found in made.items() if found}


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
    known = read_record(path) or {}
    same = known.get("fingerprint") == fingerprint
    if same and known.get("type") == PermanentError.__name__:
        raise PermanentError(
            f"{known['error']} An earlier attempt ended so, and nothing has changed since; "
            f"to try again all the same: rm {shlex.quote(str(path))}"
        )


def git_state(root: Path) -> dict[str, str] | None:
    """Return the commit and a hash of uncommitted changes (if any); None outside a git checkout."""

    def git(*arguments: str) -> bytes:
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout

    try:
        commit = git("rev-parse", "HEAD").decode().strip()
        top = Path(os.fsdecode(git("rev-parse", "--show-toplevel")).rstrip("\n"))
        dirty = git("diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--no-textconv")
        new = git("ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", *SOURCES)
    except (OSError, subprocess.CalledProcessError):
        return None
    for name in filter(None, new.split(b"\0")):
        with contextlib.suppress(OSError):  # the file was removed meanwhile, or is a dangling link
            dirty += name + b"\0" + sha256_file(top / os.fsdecode(name)).encode() + b"\0"
    return {"commit": commit} | ({"dirty": hashlib.sha256(dirty).hexdigest()} if dirty else {})


def library_versions() -> dict[str, str | None]:
    """Return the versions of Python and of the libraries that affect results, None if missing."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


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
        UserError: an input is missing at the start or an artefact at the end.
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
        lock = self.root / paths.LOCK.name
        self.state: dict[str, Any] = {
            "command": _command(),
            "git": git_state(self.root),
            "lock": sha256_file(lock) if lock.exists() else None,
            "versions": library_versions(),
            "inputs": {name: _file(path) for name, path in sorted(self.inputs.items())},
            "host": platform.node(),
            "start": start,
        }
        if self.facts["attempt"] is None and self.artefacts:
            asked = self.artefacts[0], self.facts["fingerprint"], _FIRST
            self.facts["attempt"] = attempts.begin(self.root, *asked)
        for artefact in self.artefacts:
            clear_failure(artefact)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
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
        common = {**self.state, "duration": seconds, "device": _device(), **self.facts}
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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _device() -> str:
    """Return the visible GPUs; torch is queried only if the job has imported it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"cpu ({platform.machine()}, {os.cpu_count()} cores)"


def dump(content: dict) -> str:
    """Return a record as JSON text in which secrets are masked."""
    return json.dumps(masked(content), indent=2, ensure_ascii=False) + "\n"


def recorded_seconds(record: dict) -> float | None:
    """Return the seconds that an artefact took, over all attempts of a resumed training."""
    if "seconds_per_iteration" in record:
        return record["seconds_per_iteration"] * record["iterations"]
    return record.get("duration")
