"""Make the LVIS server's file from a detections file: a zipped JSON results list, streamed.

An entry is ``{"image_id", "category_id", "score", "segmentation": {"size", "counts"}}``: category
ids from 1, masks as compressed RLE of the image's size. The server scores the masks:

- ``score`` is the line's ``mask_scores`` if masks have scores of their own, as in the ranking of
  `seesaw.evaluation.lvis_eval`; if an image has more than 300 entries, the highest 300 are kept.
- There is no ``bbox``: if the first entry has one, lvis-api takes box areas for mask areas, which
  changes AP_s, AP_m, AP_l and drops masks whose box is empty. Without it, the file's mask AP is
  exactly that of the tables; AP^box, ranked by another score, cannot be computed from it.

The same detections give the same bytes: images ascend, scores descend, ties keep their order, and
the zip's date is fixed. (Another build of zlib may compress the same JSON differently.)
"""

import hashlib
import zipfile
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import orjson

from seesaw.core.files import replacing
from seesaw.data.format import is_id
from seesaw.errors import UserError
from seesaw.evaluation.detections import MAX_DETECTIONS, ImageDetections, read
from seesaw.spec.annotations import load_annotations

MEMBER = "results.json"
LEVEL = 6  # of zlib


@dataclass(frozen=True)
class ImageList:
    """The images and categories that a submission may name; test-dev publishes only these."""

    path: Path
    images: dict[int, tuple[int, int]]  # id -> height, width in pixels
    categories: np.ndarray  # (C,) ascending category ids

    @classmethod
    def load(cls, path: Path | str) -> "ImageList":
        """Read the images and categories of a file in LVIS format, with or without annotations.

        Raises:
            UserError: The file is missing, not in LVIS format, or lists no images or categories.
        """
        content = load_annotations(Path(path))
        try:
            images = {i["id"]: (i["height"], i["width"]) for i in content["images"]}
            categories = [c["id"] for c in content["categories"]]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} is not in LVIS format ({error!r}): get it again.") from None
        for key, ids in (("images", images), ("categories", categories)):
            if not ids:
                raise UserError(f"{path} lists no {key}: get the whole file.")
        for value in (*images, *chain.from_iterable(images.values()), *categories):
            if not is_id(value):
                fix = "ids, heights and widths are whole numbers; correct it"
                raise UserError(f"{path} is not in LVIS format (it has {value!r}): {fix}.")
        return cls(Path(path), images, np.sort(categories))


def package(detections: Path | str, wanted: ImageList, output: Path | str) -> dict:
    """Write the zip of a detections file atomically.

    Every line is checked when it is read (`seesaw.evaluation.detections.read`), so the package is
    valid. Memory does not grow with the number of images.

    Returns:
        Facts for the receipt: ``images`` of the list, ``images_with_detections``, ``detections``,
        and ``results``: name, bytes and sha256 of the JSON inside.

    Raises:
        UserError: A line is malformed, an image of the list has no line, or there is no detection.
    """
    with (
        replacing(Path(output)) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive,
        # Opened by name, so that zipfile dates it 1980-01-01 and not now.
        archive.open(MEMBER, "w", force_zip64=True) as file,
    ):
        return _write(Path(detections), wanted, file)


def _write(detections: Path, wanted: ImageList, file) -> dict:
    lines = filled = total = size = 0
    digest = hashlib.sha256()

    def put(text: bytes) -> None:
        nonlocal size
        size += len(text)
        digest.update(text)
        file.write(text)

    for image in read(detections, wanted.images, wanted.categories):
        lines += 1
        if found := _entries(image):
            put(b",\n" if filled else b"[")
            put(orjson.dumps(found)[1:-1])
            filled, total = filled + 1, total + len(found)
    put(b"]\n")
    if lines < len(wanted.images):
        raise UserError(
            f"{detections} holds {lines} of the {len(wanted.images)} images of {wanted.path}: "
            "run detect on all of them."
        )
    if not total:
        raise UserError(f"{detections} holds no detection, which no server takes: train first.")
    return {
        "images": lines,
        "images_with_detections": filled,
        "detections": total,
        "results": {"name": MEMBER, "bytes": size, "sha256": digest.hexdigest()},
    }


def _entries(image: ImageDetections) -> list[dict]:
    top = np.argsort(-image.mask_scores, kind="stable")[:MAX_DETECTIONS]
    size = [image.height, image.width]
    categories, scores = image.category_ids[top].tolist(), image.mask_scores[top].tolist()
    return [
        {
            "image_id": image.image_id,
            "category_id": category,
            "score": score,
            "segmentation": {"size": size, "counts": image.counts[i]},
        }
        for category, score, i in zip(categories, scores, top.tolist(), strict=True)
    ]
