"""Read a JSON file of records one by one, so that memory does not grow with the file."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from seesaw.errors import UserError

PIECE = 2**22  # bytes read at once


def records(path: Path, lists: Collection[str], digest: Any = None) -> Iterator[tuple[str, Any]]:
    """Yield (key, record) for every element of an object's top-level lists, in the file's order.

    Values of other keys are read and dropped. What is read here can also be read by `json` and by
    orjson, which later steps use.

    Args:
        path: JSON file that holds one object.
        lists: Keys whose values must be lists; each must be there.
        digest: hashlib object that is updated with the file's bytes.

    Raises:
        UserError: The file is missing, no file or no valid JSON, a key stands twice, or a list is
            missing.
    """
    with explained(path), Path(path).open("rb") as file:
        yield from _records(_Text(file, digest), path, lists)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise a UserError where the block fails to read a JSON file, or where it is none."""
    try:
        need_file(path)
        yield
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: build the data set or correct its path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct its path") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is no JSON in UTF-8 ({error.reason}): unpack it if it is an archive, else "
            "save it as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no valid JSON ({error}): get the file again") from None


def need_file(path: Path) -> None:
    """Raise a UserError about a folder, a device, or a pipe, which would be waited for."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file: correct its path")


def _records(text: _Text, path: Path, lists: Collection[str]) -> Iterator[tuple[str, Any]]:
    if text.peek() == "\ufeff":
        raise UserError(f"{path} begins with a byte order mark: save it as UTF-8 without one")
    if text.peek() != "{":
        raise UserError(f"{path} is no LVIS file: it holds no object with {', '.join(lists)}")
    seen = set()
    for _ in text.elements("{", "}"):
        key = text.value()
        if not isinstance(key, str):
            raise ValueError(f"{_begun(key)} is no key")
        text.take(":")
        if key in seen:
            raise UserError(f"{path} has the key {_begun(key)} twice: keep one of them")
        seen.add(key)
        if key in lists and text.peek() == "[":
            for _ in text.elements("[", "]"):
                yield key, text.value()
        elif key not in lists:
            text.value()
        else:
            seen.discard(key)
            break
    else:
        if text.peek():
            raise ValueError("text follows the object")
    for key in lists:
        if key not in seen:
            raise UserError(f"{path} has no list {key!r}: get an annotation file in LVIS format")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"a record has the key {_begun(max(keys, key=keys.count))} twice")
    return found


def _begun(key: object) -> str:
    """Return the beginning of a key, which a stranger may have made as long as the file."""
    return ascii(key[:60] if isinstance(key, str) else type(key).__name__)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


class _Text:
    """The part of a file's text that is being parsed."""

    def __init__(self, file: BinaryIO, digest: Any):
        self._file, self._digest = file, digest
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._parse = json.JSONDecoder(
            object_pairs_hook=_unique, parse_constant=_refused
        ).raw_decode
        self._text, self._at, self._ended = "", 0, False

    def _more(self) -> None:
        """Read on; a value that does not fit is read in pieces of growing size."""
        self._text = self._text[self._at :]
        self._at = 0
        read = self._file.read(max(PIECE, len(self._text)))
        self._ended = not read
        if self._digest is not None:
            self._digest.update(read)
        self._text += self._decode(read, final=self._ended)

    def peek(self) -> str:
        """Return the next character that is no white space, or an empty string at the end."""
        while True:
            while self._at < len(self._text):
                if (character := self._text[self._at]) not in " \t\r\n":
                    return character
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def take(self, character: str) -> None:
        """Read one character."""
        if (found := self.peek()) != character:
            raise ValueError(f"{found or 'the end'!r} stands where {character!r} is needed")
        self._at += 1

    def elements(self, first: str, last: str) -> Iterator[None]:
        """Stop before each element of a list or an object, which the caller must read."""
        self.take(first)
        if self.peek() != last:
            yield
            while self.peek() == ",":
                self.take(",")
                yield
        self.take(last)

    def value(self) -> Any:
        """Read one value."""
        self.peek()
        while True:
            try:
                found, end = self._parse(self._text, self._at)
            except json.JSONDecodeError as error:
                # an error near the end, or an open string, may only mean that text is missing
                near = len(self._text) - error.pos < 16 or "Unterminated" in error.msg
                if self._ended or not near:
                    raise
            else:
                if end < len(self._text) or self._ended:
                    # refuses 1e400 and half of a surrogate pair
                    orjson.loads(self._text[self._at : end])
                    self._at = end
                    return found
            self._more()
