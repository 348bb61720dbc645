"""The evidence beside an artefact: ``<artefact>.provenance.json``, or ``<artefact>.failed.json``.

Standard library only: the Snakefile and every verb import it. The environment is never dumped,
and what it holds under a secret's name is masked wherever else it appears (a key in argv).
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

# Of the processes of one job (torchrun numbers them), the one that writes.
_FIRST = os.environ.get("RANK", "0") == "0"


def provenance_path(artefact: Path | str) -> Path:
    """Where the record of an artefact lies."""
    return Path(f"{artefact}.provenance.json")


def failure_path(artefact: Path | str) -> Path:
    """Where the record of an artefact's failed making lies."""
    return Path(f"{artefact}.failed.json")


def read_record(path: Path) -> dict | None:
    """A record's content; None if there is none or it is no JSON object."""
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
    """Whether an artefact was made of the code, the configs and the inputs of today.

    Everything that asks "is it current?" asks here. What is not known counts as current.

    Args:
        record: the artefact's.
        fingerprint: of the same work today.
        inputs: name -> sha256 of today's file, from `recorded_hashes` or from the bytes.
    """
    record = record or {}
    made = record.get("fingerprint")
    if made and fingerprint and made != fingerprint:
        return False
    return not changed_inputs(record, inputs)


def changed_inputs(record: dict, inputs: Mapping[str, str | None]) -> list[str]:
    """The names of a record's inputs that are other files today; arguments as for `is_current`."""
    used = record.get("inputs") or {}
    return [name for name in used if inputs.get(name) not in (None, used[name]["sha256"])]


def recorded_hashes(record: dict | None) -> dict[str, str | None]:
    """Name -> sha256 that the record beside each input holds; nothing is read but records."""
    used = (record or {}).get("inputs") or {}
    made = {name: read_record(provenance_path(file["path"])) for name, file in used.items()}
    return {name: found["artefact"]["sha256"] for name, found in made.items() if found}


def write_failure(artefact: Path | str, error: BaseException | str, **facts: Any) -> Path:
    """Record why an artefact could not be made; the tables then say *failed*."""
    path = failure_path(artefact)
    kind = None if isinstance(error, str) else type(error).__name__
    content = {"error": str(error), "type": kind, "time": _now(), "command": _command()}
    write_atomic(path, dump({**content, "host": platform.node(), **facts}))
    return path


def clear_failure(artefact: Path | str) -> None:
    """Forget an earlier failure; called when the work starts again."""
    failure_path(artefact).unlink(missing_ok=True)


def refuse_known_failure(artefact: Path | str, fingerprint: str) -> None:
    """End at once where an earlier attempt at the same work met an error that retries repeat.

    Raises:
        PermanentError: with the sentence of that attempt and the command that forgets it.
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
    """The commit and a hash of what is not committed (absent where clean); None outside git."""

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
        with contextlib.suppress(OSError):  # removed meanwhile, or a dangling link
            dirty += name + b"\0" + sha256_file(top / os.fsdecode(name)).encode() + b"\0"
    return {"commit": commit} | ({"dirty": hashlib.sha256(dirty).hexdigest()} if dirty else {})


def library_versions() -> dict[str, str | None]:
    """Versions of Python and of the libraries that decide numbers; None if not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


class Provenance:
    """Time the making of artefacts and write a record beside each when it succeeds.

    Git, the lock and the inputs are hashed at the start (what the work used), the artefacts at
    the end. An ``Exception`` leaves a failure record instead, an interruption leaves nothing.

    Args:
        artefacts: Files that the work makes; they must exist when it ends.
        inputs: Name to path of every file that was read.
        root: Where git and requirements.lock are looked up.
        facts: ``fingerprint``, ``config_hash``, ``seed``, ``device``, ``attempt`` (default:
            counted), ``wandb_run``, ...; more can be added to the attribute ``facts`` while the
            work runs.

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
                    # the first rank to fail says why; the others only lose contact
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
    """Write the record of artefacts that are finished (arguments as for `Provenance`)."""
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
    """The GPUs that the work could use; asks torch only if the work has imported it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"cpu ({platform.machine()}, {os.cpu_count()} cores)"


def dump(content: dict) -> str:
    """A record's text, without secrets."""
    return json.dumps(masked(content), indent=2, ensure_ascii=False) + "\n"


def recorded_seconds(record: dict) -> float | None:
    """How long an artefact took; a resumed training's own duration is that of its last part."""
    if "seconds_per_iteration" in record:
        return record["seconds_per_iteration"] * record["iterations"]
    return record.get("duration")
