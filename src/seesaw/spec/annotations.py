"""Read annotation files in LVIS format that `seesaw data` has checked."""

from __future__ import annotations

from pathlib import Path

import orjson

from seesaw.errors import UserError

LISTS = ("images", "annotations", "categories")


def load_annotations(path: Path) -> dict:
    """Return the content of an annotation file; its records are not checked again.

    Raises:
        UserError: The file is missing or truncated, or has no lists of records.
    """
    path = Path(path)
    try:
        content = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: build the data set or correct its path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct its path") from None
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path} is no valid JSON ({error}): get the file again") from None
    for key in LISTS:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UserError(f"{path} has no list {key!r}: get an annotation file in LVIS format")
    return content
