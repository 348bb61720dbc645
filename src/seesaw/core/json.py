"""Read the project's own JSON files with a type, and describe each damage in one sentence."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from seesaw.errors import UserError


def read_json(path: Path, kind: Any, again: str) -> Any:
    """Return a file's content, checked against a type (a dict, TypedDict or Pydantic model).

    ``again`` says what makes the file again; it ends the error's sentence.

    Raises:
        UserError: the file is missing, cannot be read, or holds something else.
    """
    try:
        return _adapter(kind).validate_json(path.read_bytes(), strict=True)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {again}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {again}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        fault = f"{where}: {what}" if where else what
        raise UserError(f"{path} is damaged ({fault}); {again}.") from None


def json_or_none(path: Path, kind: Any) -> Any:
    """Return a file's content as `read_json` does, or None if that would raise an error.

    This is for caches and for records, which are made again or reported as missing.
    """
    try:
        return read_json(path, kind, "")
    except UserError:
        return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
