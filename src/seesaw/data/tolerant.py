"""Read an annotation file that the reader refuses, for the copy in which its faults are mended."""

from __future__ import annotations

import json
import re
from pathlib import Path

from seesaw.data.format import FEDERATED, LISTS
from seesaw.data.streaming import explained
from seesaw.errors import UserError

WHOLE = ("id", "image_id", "category_id", "width", "height")


def tolerant(path: Path) -> dict:
    """Read JSON with a byte order mark, NaN or repeated keys, of which the last one counts.

    Integers beyond 64 bits become floats, as in orjson, which writes the copy.

    Raises:
        UserError: the file cannot be read, or has no lists of records.
    """
    with explained(path):
        content = json.loads(path.read_bytes().decode("utf-8-sig"), parse_int=_integer)
    for key in LISTS:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UserError(f"{path} has no list {key!r}: get an annotation file in LVIS format")
    return content


def _integer(digits: str) -> int | float:
    fits = len(digits) <= 20 and -(2**63) <= int(digits) < 2**64
    return int(digits) if fits else float(digits)


def whole(record: object) -> int:
    """Write ids and sizes such as 640.0, of pandas, and "640", of VIA, as 640; count them."""
    if not isinstance(record, dict):
        return 0
    places: list[tuple] = [(record, key) for key in WHOLE if key in record]
    for name in FEDERATED:
        if isinstance(found := record.get(name), list):
            places += [(found, i) for i in range(len(found))]
    done = 0
    for parent, key in places:
        value = parent[key]
        numeric = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
        if numeric or (isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value)):
            parent[key] = int(value)
            done += 1
    return done
