"""Read annotation files in LVIS format that `seesaw data` has checked, and their records."""

from __future__ import annotations

from pathlib import Path

import orjson

from seesaw.errors import UserError

LISTS = ("images", "annotations", "categories")
URL_PREFIX = "http://images.cocodataset.org/"  # mmdet's LVISV1Dataset strips this prefix


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


def frequency_of(images: int, edges: tuple[int, int] = (10, 100)) -> str:
    """Return LVIS's group of a category by its training images: r up to 10, c up to 100, else f."""
    return "r" if images <= edges[0] else "c" if images <= edges[1] else "f"


def relative_path(image: dict) -> str:
    """Return an image's path below the dataset: ``coco_url`` as in LVIS v1, or ``file_name``."""
    url = image.get("coco_url")
    return str(url.removeprefix(URL_PREFIX) if url else image["file_name"])
