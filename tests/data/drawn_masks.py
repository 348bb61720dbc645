"""A picture of five drawn objects, in every kind of segmentation, and seeded transforms of it."""

import random
from copy import deepcopy

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from seesaw.data.segments import encode, to_rle
from seesaw.data.transforms.instaboost import _run_lengths

SIZE = (150, 180)
COLORS = [(250, 20, 20), (20, 250, 20), (20, 20, 250), (250, 250, 20), (250, 20, 250)]


def draw_masks() -> list[np.ndarray]:
    """A ring, an object in two parts, two that overlap, one at the border; the last on top."""
    masks = np.zeros((5, *SIZE), np.uint8)
    cv2.circle(masks[0], (40, 40), 22, 1, -1)
    cv2.circle(masks[0], (40, 40), 9, 0, -1)
    masks[1, 30:50, 90:105] = masks[1, 30:50, 115:130] = 1
    cv2.circle(masks[2], (60, 110), 20, 1, -1)
    cv2.circle(masks[3], (84, 110), 15, 1, -1)
    masks[4, 100:140, 160:180] = 1
    for i in range(4):
        masks[i][masks[i + 1 :].any(0)] = 0
    return list(masks)


def sample(kind: str = "polygons") -> dict:
    """What InstaBoost gets: objects of one colour each, on grey."""
    img = np.full((*SIZE, 3), 128, np.uint8)
    instances = []
    for label, mask in enumerate(draw_masks()):
        img[mask > 0] = COLORS[label]
        segmentation, _, (x, y, w, h) = encode(mask > 0)
        assert (coco_mask.decode(to_rle(segmentation, *SIZE)) == mask).all() or label in (0, 2, 3)
        if kind == "uncompressed":
            segmentation = _run_lengths(segmentation, *SIZE)
        elif kind == "compressed":
            code = to_rle(segmentation, *SIZE)
            segmentation = {"size": list(SIZE), "counts": code["counts"].decode()}
        box = [x, y, x + w, y + h]
        instances.append(dict(bbox=box, bbox_label=label, mask=segmentation, ignore_flag=0))
    return dict(img=img, img_shape=SIZE, height=SIZE[0], width=SIZE[1], instances=instances)


def seeded(transform, results: dict, seed: int = 0) -> dict:
    random.seed(seed)
    np.random.seed(seed)
    return transform(deepcopy(results))


def decoded(instance: dict) -> np.ndarray:
    return coco_mask.decode(to_rle(instance["mask"], *SIZE))


def by_label(results: dict) -> list[dict]:
    return sorted(results["instances"], key=lambda i: i["bbox_label"])
