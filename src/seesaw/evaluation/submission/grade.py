"""Score a package against a ground-truth file as the server does, from the packed JSON alone."""

import tempfile
from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import orjson

from seesaw.errors import UserError
from seesaw.evaluation.lvis_eval import evaluate
from seesaw.evaluation.submission import results
from seesaw.evaluation.submission.package import ImageList
from seesaw.evaluation.submission.validate import validate


def grade(package: Path | str, annotations: Path | str) -> dict[str, float | None]:
    """Return the mask metrics of a package (fractions), by the evaluation used for the tables.

    The entries are converted back to a detections file beside the package, image by image.

    Raises:
        UserError: A file is missing or malformed, or the two files do not belong together.
    """
    package = Path(package)
    wanted = ImageList.load(annotations)
    try:
        with tempfile.TemporaryDirectory(prefix=".grade.", dir=package.parent) as folder:
            lines = Path(folder) / "detections.jsonl"
            with lines.open("wb") as file:
                for line in _lines(package, wanted.images):
                    file.write(orjson.dumps(line) + b"\n")
            return evaluate(lines, annotations)["segm"]
    except (UserError, orjson.JSONEncodeError):  # either may name the lines, which are gone
        faults = [*validate(package, wanted).faults.values()]
        if faults:
            raise UserError(f"{package}: {faults[0]}; package it again.") from None
        raise


def _lines(package: Path, images: dict[int, tuple[int, int]]) -> Iterator[dict]:
    waiting = iter(sorted(images))
    try:
        with results.opened(package) as file:
            entries = chain.from_iterable(results.batches(file))
            for image, found in groupby(entries, itemgetter("image_id")):
                for empty in waiting:  # images without detections are absent from a results list
                    if empty == image:
                        break
                    yield _line(empty, images[empty], [])
                else:
                    raise ValueError(f"has image {image} out of order or unknown")
                yield _line(image, images[image], list(found))
            yield from (_line(empty, images[empty], []) for empty in waiting)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{package} {error}: package it again.") from None


def _line(image: int, size: tuple[int, int], found: list[dict]) -> dict:
    scores = [entry["score"] for entry in found]
    return {
        "image_id": image,
        "height": size[0],
        "width": size[1],
        "category_ids": [entry["category_id"] for entry in found],
        "scores": scores,
        "bboxes": [[0, 0, 0, 0]] * len(found),  # a package has no boxes, and none are scored
        "counts": [entry["segmentation"]["counts"] for entry in found],
    }
