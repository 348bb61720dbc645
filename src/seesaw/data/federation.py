"""Who appears where in mini-LVIS, and what the annotators are told (LVIS paper, section 3).

LVIS is federated: an image is judged only on its positive categories and on sampled negatives;
a positive may be marked as not exhaustively annotated; everything else is unknown.
"""

from dataclasses import dataclass

import numpy as np

MAX_OBJECTS, MIN_OBJECTS = 7, 3
_MAX_POSITIVES = 6
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


def zipf_counts(groups: tuple[int, int, int], edges: tuple[int, int], images: int) -> list[int]:
    """Images per category, most frequent first: a power law in rank, bent at the group borders.

    Args:
        groups: Number of rare, common and frequent categories.
        edges: Most images of a rare and of a common category.
        images: Images of the split; the first category is in three of four.

    Returns:
        Counts that fall within their group, so that LVIS's rule gives the asked groups.
    """
    rare, common, frequent = groups
    last = np.cumsum([frequent, common, rare])
    first = last - [frequent, common, rare] + 1
    top = [0.75 * images, 0.95 * edges[1], edges[0]]
    low = [max(1.1 * edges[1], edges[1] + 1), max(1.2 * edges[0], edges[0] + 1), 0.1 * edges[0]]
    ranks = np.ravel([first, last], order="F")
    values = np.ravel([top, low], order="F")
    counts = np.exp(np.interp(np.log(np.arange(1, last[-1] + 1)), np.log(ranks), np.log(values)))
    return np.maximum(np.rint(counts), 1).astype(int).tolist()


def assign(counts: list[int], images: int, rng: np.random.Generator) -> list[list[int]]:
    """Positive categories of every image: each category takes its count of the emptiest images."""
    load = np.zeros(images)
    out: list[list[int]] = [[] for _ in range(images)]
    for category, count in enumerate(counts):
        order = np.argsort(load + 2 * rng.random(images) + 99 * (load >= _MAX_POSITIVES))
        for i in order[:count]:
            out[i].append(category)
        load[order[:count]] += 1
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
