"""Read the record of an artefact: ``<artefact>.provenance.json``, or ``<artefact>.failed.json``.

`seesaw.core.provenance` writes them. The Snakefile and every verb import this module, so it
imports nothing that is slow to load.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, with_config
from typing_extensions import NotRequired, TypedDict

from seesaw.core import paths
from seesaw.core.files import sha256_file
from seesaw.core.json import json_or_none
from seesaw.core.secrets import masked


def _dated(text: str) -> str:
    datetime.fromisoformat(text)
    return text


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
    git: NotRequired[dict[str, str] | None]
    versions: NotRequired[dict[str, str | None] | None]
    remarks: NotRequired[list[str] | None]
    fingerprint: NotRequired[str | None]
    config_hash: NotRequired[str | None]
    lock: NotRequired[str | None]
    host: NotRequired[str | None]
    device: NotRequired[str | None]
    processor: NotRequired[str | None]
    start: NotRequired[Annotated[str, AfterValidator(_dated)] | None]
    duration: NotRequired[float | None]
    images: NotRequired[int | None]
    images_before: NotRequired[int | None]
    iterations: NotRequired[int | None]
    seconds_per_iteration: NotRequired[float | None]
    seed: NotRequired[int | None]
    attempt: NotRequired[int | None]


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
    """Return a sentence without its full stop if an existing file is not that of its record."""
    known = record_of(path)
    if not known and provenance_path(path).is_file():
        return f"{provenance_path(path)} is damaged; {remake(path)}"
    recorded = ((known or {}).get("artefact") or {}).get("sha256")
    if recorded is None or (found := sha256 or sha256_file(path)) == recorded:
        return None
    hashes = f"sha256 {found[:12]}, recorded {recorded[:12]}"
    return f"{path} is not the file that was made ({hashes}); {remake(path)}"


def remake(path: Path) -> str:
    """Return what makes a file again: the command that its record names, if it has one.

    A file of the committed results, and its record, git restores.
    """
    if path.is_relative_to(paths.ROOT / "reference"):
        return f"restore it: `git checkout -- {shlex.quote(f'{path}*')}`"
    program, *arguments = (record_of(path) or {}).get("command") or [""]
    if program not in ("seesaw", "__main__.py"):
        return "make it again; `seesaw verify` says how"
    return f"make it again: `{shlex.join(['seesaw', *map(str, arguments)])}`"


def is_current(
    record: dict | None,
    fingerprint: str | None = None,
    inputs: Mapping[str, str | None] = MappingProxyType({}),
) -> bool:
    """Return whether an artefact was made from the present code, configs and inputs.

    All checks of whether a file is current use this function. Unknown values count as current.
    ``fingerprint`` is what the same job has now; ``inputs``: name -> sha256 of the present file,
    from `recorded_hashes` or from its bytes.
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


def dump(content: dict) -> str:
    """Return a record as JSON text in which secrets are masked."""
    return json.dumps(masked(content), indent=2, ensure_ascii=False) + "\n"


def recorded_seconds(record: dict) -> float | None:
    """Return the seconds of an artefact, over all attempts of a resumed training or detection.

    None if they are unknown, as where the last attempt detected on less than a tenth of the images:
    most of its time was that of starting.
    """
    if record.get("seconds_per_iteration") and record.get("iterations"):
        return record["seconds_per_iteration"] * record["iterations"]
    images, before = (record.get(name) or 0 for name in ("images", "images_before"))
    if record.get("duration") and images >= before > 0:  # the last attempt's, and its share
        share = (images - before) / images
        return record["duration"] / share if share >= 0.1 else None
    # of weights that were only written again, that of the writing
    return None if record.get("rewritten") else record.get("duration")
