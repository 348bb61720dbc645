"""Assign categories and federated annotations to the images of mini-LVIS (LVIS paper, section 2).

LVIS is a federated dataset: in each image only the positive and the sampled negative categories are
verified; a positive one may be marked as not exhaustively annotated; all others are unknown.
"""

from dataclasses import dataclass

import numpy as np

from seesaw.spec.mini_lvis import MAX_POSITIVES, TAIL_SHARE

MAX_OBJECTS, MIN_OBJECTS = 7, 3
_NOT_EXHAUSTIVE = 0.14  # share of the positive categories
_UNKNOWN, _ANOTHER = 0.1, 0.35  # probabilities per image and per further object


@dataclass
class ImagePlan:
    """The objects and the verified categories of one image; categories are indices from 0.

    Attributes:
        drawn: (category, annotated) of every object in the image.
        negative: Categories verified to be absent.
        not_exhaustive: Positive categories with objects left unannotated.
    """

    drawn: list[tuple[int, bool]]
    negative: list[int]
    not_exhaustive: list[int]


def assign(
    counts: list[int], images: int, rng: np.random.Generator, tail: int = 0
) -> list[list[int]]:
    """Assign positive categories to images, preferably to those that have few so far.

    The last ``tail`` categories are confined to a share `TAIL_SHARE` of the images. Repeat factor
    sampling repeats every image that contains one of them, so this sets the length of its epoch.

    Args:
        counts: Number of images of each category.
        images: Number of images.
        rng: Random generator of the split.
        tail: Number of categories that are confined.

    Returns:
        The categories of each image.
    """
    load = np.zeros(images)
    elsewhere = rng.permutation(images) >= TAIL_SHARE * images
    out: list[list[int]] = [[] for _ in range(images)]
    for category in reversed(range(len(counts))):  # tail first, as its images fill up
        full = load >= MAX_POSITIVES
        if category >= len(counts) - tail:
            full |= elsewhere
        wish = load + 2 * rng.random(images) + 99 * full
        order = np.argsort(wish, kind="stable")[: counts[category]]
        for i in order:
            out[i].append(category)
        load[order] += 1
    return out


def plan_image(
    positives: list[int],
    heads: int,
    categories: int,
    negatives: int,
    turn: float,
    rng: np.random.Generator,
) -> ImagePlan:
    """Plan the objects of an image and its negative and not exhaustively annotated categories.

    Args:
        positives: Annotated categories.
        heads: Number of frequent categories, which have the lowest indices; category j is similar
            to (kin of) head j % heads.
        categories: Number of categories.
        negatives: Number of absent categories to verify; kin of the drawn categories come first,
            because detectors confuse them.
        turn: A number in [0, 1), uniform over the images, so that a small split also has the
            right share of positives that are not exhaustively annotated.
        rng: The image's own random generator.
    """
    drawn = [(c, True) for c in positives]
    partial = rng.permutation(positives)[: int(len(positives) * _NOT_EXHAUSTIVE + turn)].tolist()
    drawn += [(c, False) for c in partial]
    while len(drawn) < MAX_OBJECTS and (len(drawn) < MIN_OBJECTS or rng.random() < _ANOTHER):
        stranger = int(rng.integers(heads))
        if stranger not in positives and (not positives or rng.random() < _UNKNOWN / _ANOTHER):
            drawn.append((stranger, False))
        elif positives:
            drawn.append((int(rng.choice(positives)), True))
    present = {c for c, _ in drawn}
    absent = [int(c) for c in rng.permutation(categories) if c not in present]
    families = {c % heads for c in present}
    kin = [c for c in absent if c % heads in families][: (negatives + 1) // 2]
    negative = (kin + [c for c in absent if c not in kin])[:negatives]
    return ImagePlan(drawn, sorted(negative), sorted(partial))
