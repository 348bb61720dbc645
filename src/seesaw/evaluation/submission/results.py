"""Read results lists of any tool, zipped or not, on one line or many, with constant memory."""

import gc
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import orjson

from seesaw.core.jit import njit
from seesaw.errors import UserError

BLOCK = 1 << 18  # bytes; larger blocks exceed the cache and trigger the garbage collector
LONGEST = 1 << 24  # bytes of one entry; without a limit a stray quote would fill the memory
RATIO = 100  # of a zip; that of results is about 10
DEEPEST = 50  # lists in lists; an entry has four
DIRECTORY = 1 << 20  # bytes of a zip's list of files


@contextmanager
def opened(path: Path | str) -> Iterator[IO[bytes]]:
    """Open the JSON of a results file, or the one file in a zip.

    Raises:
        UserError: The file is missing or unreadable, or a zip that is damaged, encrypted, grows
            beyond any results, or holds anything but one JSON file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.peek(2)[:2] != b"PK":
                yield file
                return
        with _Bounded(io.FileIO(path)) as raw, _member(path, raw) as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{path} is missing: name a results file, .json or .zip.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): name a results file.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path} is a damaged zip ({error}): zip it again.") from None


class _Bounded(io.BufferedReader):
    """A file that zipfile reads; it reads the list of members at once, however long that is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY:
            raise zipfile.BadZipFile(f"its list of files has {size:,} bytes")
        return super().read(size)


def _member(path: Path, raw: IO[bytes]) -> IO[bytes]:
    """Open the one file of a zip, unless it could not be read in the memory and time of others."""
    try:
        archive = zipfile.ZipFile(raw)
        members = archive.infolist()
        if len(members) != 1 or not members[0].filename.endswith(".json"):
            held = ", ".join(repr(m.filename[:80])[1:-1] for m in members[:5]) or "nothing"
            raise UserError(f"{path} holds {held}: zip one .json file and nothing else.")
        member = members[0]
        if member.flag_bits & 0x1:
            raise UserError(f"{path} is encrypted: zip it without a password.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(f"{path} is compressed by an unusual method: zip it with deflate.")
        size = min(member.compress_size, path.stat().st_size)
        if member.file_size > max(RATIO * size, LONGEST):
            raise UserError(
                f"{path} would grow from {size:,} to {member.file_size:,} bytes, more than any "
                "results: zip detections of a trained model."
            )
        return archive.open(member)
    except (ValueError, RuntimeError, OverflowError, struct.error) as error:
        raise UserError(f"{path} is a damaged zip ({error}): zip it again.") from None


def batches(file: IO[bytes]) -> Iterator[list]:
    """Yield the elements of a JSON list in batches of some thousand complete elements.

    Raises:
        ValueError: The file is not a JSON list; batches before the fault have been yielded.
    """
    rest = file.read(BLOCK).lstrip()
    if not rest.startswith(b"["):
        raise ValueError("is not a JSON list of detections")
    rest, passed = rest[1:], 1
    first = True
    while True:
        end, closed = _cut(np.frombuffer(rest, np.uint8))
        if end == TOO_DEEP:
            raise ValueError(f"has more than {DEEPEST} lists in one another after byte {passed}")
        if end >= 0:
            batch = _parse(rest[:end], passed)
            empty = not batch and not (closed and first)  # a comma with nothing beside it
            if empty or (closed and rest[end : end + 1] != b"]"):
                raise ValueError(f"is not JSON near byte {passed + end}")
            yield batch
            first = False
        rest, passed = rest[end + 1 :], passed + end + 1
        if closed:
            if rest.strip() or file.read(BLOCK).strip():
                raise ValueError(f"goes on after the list's end at byte {passed}")
            return
        block = file.read(BLOCK)
        if not block:
            raise ValueError(f"ends inside the list, at byte {passed + len(rest)}: it is cut off")
        if len(rest) > LONGEST:
            raise ValueError(f"has no end of an entry in the {LONGEST} bytes from byte {passed}")
        rest += block


def _parse(text: bytes, passed: int) -> list:
    text = b"[" + text + b"]"
    collects = gc.isenabled()
    gc.disable()  # with many short lists it takes two thirds of the time
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    finally:
        if collects:
            gc.enable()
    try:
        return json.loads(text)  # reads NaN and Infinity, which json.dump writes
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON near byte {passed + error.pos} ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, or a number of 4,301 digits
        raise ValueError(f"is not JSON after byte {passed} ({error})") from None


TOO_DEEP = -2


@njit()
def _cut(text):  # pragma: no cover - compiled
    """Return the index of the list's last comma or (with True) closing bracket, -1 or TOO_DEEP."""
    depth, quoted, cut, i = 0, False, -1, 0
    while i < len(text):
        byte = text[i]
        if quoted:
            if byte == 92:  # a backslash hides what follows
                i += 1
            elif byte == 34:
                quoted = False
        elif byte == 34:
            quoted = True
        elif byte == 123 or byte == 91:
            depth += 1
            if depth > DEEPEST:
                return TOO_DEEP, False
        elif byte == 125 or byte == 93:
            if depth == 0:
                return i, True
            depth -= 1
        elif byte == 44 and depth == 0:
            cut = i
        i += 1
    return cut, False
