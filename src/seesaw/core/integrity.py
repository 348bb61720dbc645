"""Check that a file still matches its record before it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from seesaw.core import paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.json import read_json
from seesaw.core.records import fault, provenance_path, read_record, remake
from seesaw.errors import UserError

# Bytes. The hash of a larger file is cached while its size, times and inode stay the same. Smaller
# ones are always hashed: one can change twice within a tick of the file system's clock.
LARGE = 64 * 2**20


def corrupted(files: Iterable[Path]) -> str | None:
    """Describe the first file that differs from its record; return None if all files match.

    Files that are missing or have no record are skipped, because tables can be rebuilt from metrics
    alone. A large file is hashed again only if its size, times or inode have changed; the command
    `seesaw verify` hashes all files.
    """
    for path in files:
        try:
            if provenance_path(path).is_file() and (sentence := fault(path, sha256_of(path))):
                return sentence
        except FileNotFoundError:
            continue
        except OSError as error:  # a folder or links in a circle in its place, a failing disk
            return f"{path} cannot be read ({error.strerror}); remove it, then {remake(path)}"
    return None


def refuse(files: Iterable[Path]) -> None:
    """Raise a UserError for the first file that differs from its record, with what remakes it."""
    if sentence := corrupted(files):
        raise UserError(f"{sentence}.")


def read_output(path: Path, kind: Any) -> Any:
    """Return the content of a JSON file that a verb made; for the arguments see `read_json`.

    Raises:
        UserError: the file is missing, damaged, or differs from its record.
    """
    refuse([path])
    return read_json(path, kind, remake(path))


def sha256_of(path: Path) -> str:
    """Return a file's hash, from the cache if the file is large and has not changed."""
    state = os.stat(path)
    if state.st_size < LARGE:
        return sha256_file(path)
    seen = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
    cache = paths.CACHE / "hashes.json"
    kept = (read_record(cache) or {}).get(str(path))
    if isinstance(kept, dict) and kept.get("seen") == seen and "sha256" in kept:
        return kept["sha256"]
    made = sha256_file(path)
    with suppress(OSError):  # a read-only checkout works without the cache
        # Another process may have written meanwhile; an entry that is lost is made again.
        entry = {str(path): {"seen": seen, "sha256": made}}
        write_atomic(cache, json.dumps((read_record(cache) or {}) | entry, indent=1) + "\n")
    return made
