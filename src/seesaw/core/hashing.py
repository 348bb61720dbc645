"""Hashes of plain data, and results that are kept while the files behind them are the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from seesaw.core.files import sha256_file, write_atomic


def fingerprint(**parts: Any) -> str:
    """16 hex digits of the sha256 of the parts as canonical JSON."""
    return digest(parts)[:16]


def cached_json(key_files: Iterable[Path], cache_path: Path, compute: Callable[[], dict]) -> dict:
    """The JSON result of ``compute``, reused while the content of all key files is the same.

    A key file may be absent; that is a content too. Safe with several processes.
    """
    key_files = list(key_files)
    keys = _hashes(key_files)
    if (kept := _kept(keys, cache_path)) is not None:
        return kept
    value = json.loads(json.dumps(compute()))  # a miss returns what a hit will
    if _hashes(key_files) == keys:  # edited meanwhile: the value may be of either content
        content = {"keys": keys, "sha256": digest(value), "value": value}
        with contextlib.suppress(OSError):  # a read-only checkout works, only slower
            write_atomic(Path(cache_path), json.dumps(content, indent=1) + "\n")
    return value


def kept_json(key_files: Iterable[Path], cache_path: Path) -> dict | None:
    """What `cached_json` would return without computing; None if it would have to compute."""
    return _kept(_hashes(key_files), cache_path)


def _kept(keys: dict[str, str | None], cache_path: Path) -> dict | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        cached = json.loads(Path(cache_path).read_text(encoding="utf-8"))
        if cached["keys"] == keys and cached["sha256"] == digest(cached["value"]):
            return cached["value"]
    return None


def _hashes(key_files: Iterable[Path]) -> dict[str, str | None]:
    files = sorted({Path(f) for f in key_files})
    return {f.as_posix(): sha256_file(f) if f.is_file() else None for f in files}


def digest(content: Any) -> str:
    """The sha256 of plain data as canonical JSON, 64 hex digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
