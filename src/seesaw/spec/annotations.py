"""Read annotation files in LVIS format and check them entry by entry."""

from collections.abc import Iterable
from pathlib import Path

import orjson

from seesaw.errors import UserError

_TOP = ("images", "annotations", "categories")
_IMAGE = ("id", "width", "height")
_CATEGORY = ("id", "name")
_ANNOTATION = ("id", "image_id", "category_id", "bbox", "area", "segmentation")
_FEDERATED = ("neg_category_ids", "not_exhaustive_category_ids")


def check_content(content: object, path: Path, contiguous: bool) -> None:
    """Check a parsed annotation file.

    Boxes without area are accepted: LVIS v1 has some, and mmdet and the evaluation drop them.

    Args:
        content: Parsed JSON.
        path: File named in errors.
        contiguous: Whether to require category ids 1..C.

    Raises:
        UserError: The content breaks the format; the message describes the first error found.
    """
    if not isinstance(content, dict):
        raise UserError(f"{path} is no LVIS file: it holds no object with {', '.join(_TOP)}")
    for key in _TOP:
        if not isinstance(content.get(key), list):
            raise UserError(f"{path} has no list {key!r}: get an annotation file in LVIS format")
    for key in ("images", "categories"):
        if not content[key]:
            raise UserError(f"{path} lists no {key}: get the whole file")
    categories = _ids(content["categories"], "category", _CATEGORY, path)
    if contiguous and categories != set(range(1, len(categories) + 1)):
        gap = min(set(range(1, len(categories) + 1)) - categories)
        raise UserError(
            f"{path}: category id {gap} is missing: a training needs ids 1..{len(categories)} "
            "without gaps, so renumber the categories"
        )
    images = _ids(content["images"], "image", _IMAGE, path)
    for image in content["images"]:
        _check_image(image, categories, path)
    _ids(content["annotations"], "annotation", _ANNOTATION, path)
    sizes = {image["id"]: [image["height"], image["width"]] for image in content["images"]}
    for annotation in content["annotations"]:
        who = f"{path}: annotation {annotation['id']}"
        for key, known in (("image_id", images), ("category_id", categories)):
            if annotation[key] not in known:
                raise UserError(
                    f"{who} has the unknown {key} {annotation[key]}: correct or drop it"
                )
        if not _numbers(annotation["bbox"]) or len(annotation["bbox"]) != 4:
            raise UserError(f"{who} has bbox {annotation['bbox']}: write four numbers x, y, w, h")
        fault = _segmentation_fault(annotation["segmentation"], sizes[annotation["image_id"]])
        if fault:
            raise UserError(f"{who} has {fault}: correct or drop it")


def _ids(records: Iterable, kind: str, keys: tuple[str, ...], path: Path) -> set[int]:
    """Check the entries' keys and that no id occurs twice; return the ids."""
    seen: set[int] = set()
    for i, record in enumerate(records):
        if not isinstance(record, dict) or not isinstance(record.get("id"), int):
            raise UserError(f"{path}: {kind} number {i} has no integer 'id': get the file again")
        for key in keys:
            if key not in record:
                raise UserError(f"{path}: {kind} {record['id']} has no {key!r}: add it")
        if record["id"] in seen:
            raise UserError(f"{path}: {kind} id {record['id']} appears twice: make ids unique")
        seen.add(record["id"])
    return seen


def _check_image(image: dict, categories: set[int], path: Path) -> None:
    who = f"{path}: image {image['id']}"
    if not image.get("coco_url") and not image.get("file_name"):
        raise UserError(f"{who} has neither 'coco_url' nor 'file_name': add one")
    for key in ("width", "height"):
        if not isinstance(image[key], int) or image[key] < 1:
            raise UserError(f"{who} has {key} {image[key]}: write a positive integer")
    for key in _FEDERATED:
        for category in image.get(key, ()):
            if category not in categories:
                raise UserError(f"{who} lists the unknown category {category} in {key}: drop it")


def _segmentation_fault(segmentation: object, size: list[int]) -> str | None:
    """Describe what is wrong with polygons or COCO run lengths of an image of ``size`` (h, w)."""
    if isinstance(segmentation, dict):
        counts = segmentation.get("counts")
        if segmentation.get("size") != size:
            return f"a mask of size {segmentation.get('size')} in an image of {size}"
        if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
            return f"run lengths of {sum(counts)} pixels in an image of {size[0] * size[1]}"
        return None if counts and isinstance(counts, list | str) else "no run lengths"
    if not isinstance(segmentation, list) or not segmentation:
        return "an empty segmentation"
    for polygon in segmentation:
        if not _numbers(polygon):
            return f"a polygon that is no list of numbers ({str(polygon)[:40]})"
        if len(polygon) < 6 or len(polygon) % 2:
            return f"a polygon of {len(polygon)} numbers (three or more x, y pairs are needed)"
    return None


def _numbers(values: object) -> bool:
    return isinstance(values, list) and all(type(v) in (int, float) for v in values)


def load_annotations(path: Path, contiguous: bool = True) -> dict:
    """Read and check an annotation file.

    Args:
        path: LVIS annotation file.
        contiguous: Whether to require category ids 1..C, as trainings and label-indexed results do.

    Returns:
        The file's content; entries are in the file's order.

    Raises:
        UserError: The file is missing, truncated, or breaks the format.
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
    check_content(content, path, contiguous)
    return content
