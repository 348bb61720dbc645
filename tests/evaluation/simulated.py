"""Matches of made-up models, by simulation: no masks, no files."""

import numpy as np

from seesaw.evaluation.lvis_eval import Matches

CATEGORIES = 9
ALL = np.uint16(2**10 - 1)
SHARE = np.array([0.05, 0.12, 0.35])[np.arange(CATEGORIES) % 3]  # of images: rare to frequent


def simulate(rng, images: int, found: float = 0.6, shared=None, share=SHARE) -> Matches:
    """Matches of a made-up model: a category is in its ``share`` of images, one object each.

    An object is found with probability ``found`` at every IoU threshold; there is one false
    positive for every two objects. ``shared`` gives the annotations and scores of another model.
    """
    size = (images, np.size(share) if np.ndim(share) else CATEGORIES)
    draw = shared or {
        "present": rng.random(size) < share,
        "score": rng.random(size),
        "noise": rng.random(size) * 0.8,
        "false": rng.random(size) < share / 2,
    }
    hit = draw["present"] & (rng.random(size) < found)
    rows = [(c, draw["score"][i, c], i, ALL) for i, c in np.argwhere(hit)]
    rows += [(c, draw["noise"][i, c], i, np.uint16(0)) for i, c in np.argwhere(draw["false"])]
    category, score, image, bits = (np.array(column) for column in zip(*rows, strict=True))
    order = np.lexsort((-score, category))
    truth_image, truth_category = np.nonzero(draw["present"])
    return Matches(
        offsets=np.searchsorted(category[order], np.arange(size[1] + 1)),
        image=image[order].astype(np.int32),
        score=score[order],
        hit=np.repeat(bits[order, None], 4, 1).astype(np.uint16),
        ignored=np.zeros((len(order), 4), np.uint16),
        truth_image=truth_image.astype(np.int32),
        truth_category=truth_category.astype(np.int32),
        truth_counts=np.ones((len(truth_image), 4), bool),
        groups=np.arange(size[1]) % 3,
        images=images,
        detections=len(order),
    ), draw
