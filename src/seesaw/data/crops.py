"""Class crops for the pre-training of small backbones."""

import math
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from seesaw.errors import UserError
from seesaw.spec.annotations import load_annotations, relative_path

MOST = 100_000  # crops; 48 px wide they take 0.7 GB


def class_crops(
    root: Path, ann_file: str, size: int, margin: float = 0.15
) -> tuple[np.ndarray, np.ndarray]:
    """Return square crops around the annotated objects, in the order of image and annotation id.

    Of more than `MOST` objects every second, third, ... is taken, so that the crops fit in memory.

    Args:
        root: LVIS folder.
        ann_file: Its annotation file, relative to ``root``.
        size: Height and width of a crop in pixels.
        margin: Context around the box, as a share of its longer side; beyond the image's border
            the border pixels repeat.

    Returns:
        Crops, shape (N, size, size, 3), RGB uint8; labels, shape (N,), int64, from 0.

    Raises:
        UserError: The annotation file or an image is missing or damaged.
    """
    root = Path(root)
    content = load_annotations(root / ann_file)
    images = {im["id"]: im for im in content["images"]}
    order = sorted(content["annotations"], key=lambda a: (a["image_id"], a["id"]))
    order = order[:: math.ceil(len(order) / MOST) or 1]
    crops = np.empty((len(order), size, size, 3), np.uint8)
    labels = np.array([a["category_id"] - 1 for a in order], np.int64)
    n = 0
    for image_id, group in groupby(order, key=lambda a: a["image_id"]):
        path = root / relative_path(images[image_id])
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise UserError(f"{path} is missing or no image: get the data set again")
        for annotation in group:
            x, y, w, h = annotation["bbox"]
            side = max(w, h, 1) * (1 + 2 * margin)
            scale = size / side
            matrix = np.array(
                [
                    [scale, 0, size / 2 - scale * (x + w / 2)],
                    [0, scale, size / 2 - scale * (y + h / 2)],
                ]
            )
            crops[n] = cv2.warpAffine(
                picture,
                matrix,
                (size, size),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )[..., ::-1]
            n += 1
    return crops, labels
