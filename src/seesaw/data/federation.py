"""Who appears where in mini-LVIS, and what the annotators are told (LVIS paper, section 3).

LVIS is federated: an image is judged only on its positive categories and on sampled negatives;
a positive may be marked as not exhaustively annotated; everything else is unknown.
"""

from dataclasses import dataclass

import numpy as np

from seesaw.spec.mini_lvis import MAX_POSITIVES, TAIL_SHARE

MAX_OBJECTS, MIN_OBJECTS = 7, 3
_NOT_EXHAUSTIVE = 0.14  # share of positives
_UNKNOWN, _ANOTHER = 0.1, 0.35  # probabilities, per image and per further object


@dataclass
class ImagePlan:
    """The objects and the verdicts of one image; categories are indices from 0.

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
    """Positive categories of every image: each category takes its count of the emptiest images.

    The last ``tail`` categories share a part of the images, `TAIL_SHARE`. Repeat factor sampling
    repeats every image that holds one of them, so this sets the length of its epoch.
    """
    load = np.zeros(images)
    elsewhere = rng.permutation(images) >= TAIL_SHARE * images
    out: list[list[int]] = [[] for _ in range(images)]
    for category in reversed(range(len(counts))):  # the tail first: its images fill up
        full = load >= MAX_POSITIVES
        if category >= len(counts) - tail:
            full |= elsewhere
        order = np.argsort(load + 2 * rng.random(images) + 99 * full)[: counts[category]]
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
    """Adds to the positives what makes an image federated.

    Args:
        positives: Annotated categories.
        heads: Number of frequent categories, those with indices below it; category j is kin of
            head j % heads.
        categories: Number of categories.
        negatives: How many absent categories to verify; kin of what is drawn first, they are
            what a detector takes it for.
        turn: In [0, 1), even over the images, so that the share of positives that are not
            exhaustively annotated is met in a small split as well.
        rng: The image's own generator.
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
