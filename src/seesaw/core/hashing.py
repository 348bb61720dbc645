"""Hashes of plain data, and cached results that are reused while their key files are unchanged."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from seesaw.core.files import write_atomic
from seesaw.core.integrity import sha256_of
from seesaw.core.json import json_or_none


class _Cached(TypedDict):
    keys: dict[str, str | None]
    sha256: str
    value: dict[str, Any]


def fingerprint(**parts: Any) -> str:
    """Return the first 16 hex digits of the sha256 of the parts as canonical JSON."""
    return digest(parts)[:16]


def cached_json(key_files: Iterable[Path], cache_path: Path, compute: Callable[[], dict]) -> dict:
    """Return the JSON result of ``compute``, cached while the content of all key files is the same.

    A key file may be absent; its creation then invalidates the cache. Several processes can call
    this function at once.
    """
    key_files = list(key_files)
    keys = _hashes(key_files)
    if (kept := _kept(keys, cache_path)) is not None:
        return kept
    value = json.loads(json.dumps(compute()))  # a cache miss returns the same types as a hit
    if _hashes(key_files) == keys:  # not cached if a key file was edited meanwhile
        content = {"keys": keys, "sha256": digest(value), "value": value}
        with contextlib.suppress(OSError):  # a read-only checkout works without the cache
            write_atomic(Path(cache_path), json.dumps(content, indent=1) + "\n")
    return value


def kept_json(key_files: Iterable[Path], cache_path: Path) -> dict | None:
    """Return the cached result of `cached_json`, or None if it would have to be computed."""
    return _kept(_hashes(key_files), cache_path)


def _kept(keys: dict[str, str | None], cache_path: Path) -> dict | None:
    cached = json_or_none(cache_path, _Cached)
    if cached and cached["keys"] == keys and cached["sha256"] == digest(cached["value"]):
        return cached["value"]
    return None


def _hashes(key_files: Iterable[Path]) -> dict[str, str | None]:
    files = sorted({Path(f) for f in key_files})
    return {f.as_posix(): sha256_of(f) if f.is_file() else None for f in files}


def digest(content: Any) -> str:
    """Return the sha256 of plain data as canonical JSON, in 64 hex digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
