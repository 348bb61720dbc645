"""Check that a file still matches its record before its numbers are shown in a table.

This module uses the standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from seesaw.core import paths
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.records import dump, provenance_path, read_record

# Bytes. The hash of a larger file is cached while its size, times and inode stay the same.
LARGE = 64 * 2**20


def corrupted(files: Iterable[Path]) -> str | None:
    """Describe the first file that differs from its record; return None if all files match.

    Files that are missing or have no record are skipped, because tables can be rebuilt from metrics
    alone. A large file is hashed again only if its size, times or inode have changed; the command
    `seesaw verify` hashes all files.
    """
    for path in files:
        recorded = ((read_record(provenance_path(path)) or {}).get("artefact") or {}).get("sha256")
        with suppress(FileNotFoundError):
            if recorded and (found := sha256_of(path)) != recorded:
                return (
                    f"{path} is not the file that was made (sha256 {found[:12]}, "
                    f"recorded {recorded[:12]}); `seesaw verify` tells how to repair it"
                )
    return None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file; that of a large one is cached, as `corrupted` describes."""
    state = os.stat(path)
    if state.st_size < LARGE:
        return sha256_file(path)
    seen = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
    cache = paths.CACHE / "hashes.json"
    known = read_record(cache) or {}
    kept: Any = known.get(str(path))
    if not (isinstance(kept, dict) and kept.get("seen") == seen):
        kept = {"seen": seen, "sha256": sha256_file(path)}
        with suppress(OSError):  # a read-only checkout works without the cache
            write_atomic(cache, dump((read_record(cache) or {}) | {str(path): kept}))
    return kept["sha256"]
