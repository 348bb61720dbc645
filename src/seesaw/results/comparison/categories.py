"""AP differences between two evaluations, for each metric and category, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from seesaw.core.borders import plain
from seesaw.core.integrity import read_output, refuse, sha256_of
from seesaw.core.records import remake
from seesaw.errors import UserError
from seesaw.evaluation import replicates, resample, uncertainty
from seesaw.evaluation.ground_truth import GROUPS
from seesaw.evaluation.matcher import sample_ap
from seesaw.evaluation.resample import Ranking
from seesaw.evaluation.uncertainty import Estimate
from seesaw.spec.annotations import load_annotations
from seesaw.spec.experiments import Evaluation
from seesaw.spec.outputs import Metrics
from seesaw.spec.scales import Scale

PERCENT = 100
FEWEST = 5  # images of a category below which resampling cannot estimate an error
EXAMPLES = 3


@dataclass(frozen=True)
class Category:
    """One category in two evaluations A and B (AP in percent, means over seeds)."""

    id: int  # category id
    name: str  # category name; the id where the annotations are missing
    group: str  # r, c or f
    images: int  # number of validation images that contain the category
    objects: int  # number of objects of the category in them
    a: float  # AP in A
    b: float  # AP in B
    change: Estimate  # ``b - a``; its errors are unknown (NaN) with fewer than `FEWEST` images
    # ids of the images in which the better evaluation finds most objects that the other one misses
    examples: list[int] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """Return the name for one line of a reader's text; the id where it is empty."""
        return plain(self.name).strip() or str(self.id)


@dataclass(frozen=True)
class Comparison:
    """Evaluations A and B: value and difference of each metric in percent, and all categories.

    ``kind`` is the kind of the categories' AP: "segm" or "bbox".

    ``categories`` are sorted by difference, the largest gain of B first; categories without an
    object are left out.
    """

    a: str
    b: str
    kind: str
    seeds: list[int]
    levels: dict[str, tuple[Estimate, Estimate, Estimate]]
    categories: list[Category]

    def largest(self, count: int) -> list[Category]:
        """Return the ``count`` largest gains, then as many losses (the largest last)."""
        gains = [c for c in self.categories if c.change.value > 0][:count]
        return gains + [c for c in self.categories if c.change.value < 0][-count:]


def compare(
    a: Evaluation, b: Evaluation, scale: Scale, kind: str = "segm", errors: bool = True
) -> Comparison:
    """Compare two evaluations over the seeds that both have.

    Differences are ``b - a``. ``kind`` is that of the categories' AP: "segm" (masks) or "bbox".
    Their ``errors`` are found by resampling, which takes most of the time.

    Raises:
        UserError: the evaluations are the same, share no seed, have not been evaluated, or were
            evaluated on different images.
    """
    if a.id == b.id:
        raise UserError(f"{a.id} is compared with itself; name two evaluations.")
    for e in (a, b):
        if e.split != "val":
            raise UserError(f"{e.id} is on {e.split}, which has no annotations; name another.")
    table = scale.table
    seeds = [s for s in table.seeds(a.id) if s in table.seeds(b.id)]
    if not seeds:
        raise UserError(f"{table.path}: {a.id} and {b.id} share no seed; give both one.")
    runs = [[_run(e, seed, scale) for seed in seeds] for e in (a, b)]
    levels_a, levels_b = map(uncertainty.level, runs)
    changes = uncertainty.paired_difference(*runs)
    levels = {
        name: (one, other, change)
        for name, change in changes.items()
        if (one := levels_a[name]) and (other := levels_b[name]) and change
    }
    names, image_ids = _annotations(scale, runs[0][0].annotations)
    ids = [int(i) for i in _metrics(a, seeds[0], scale).get("per_category", {}).get(kind, ())]
    ranked = [[_ranking(e, seed, scale, kind, len(ids)) for seed in seeds] for e in (a, b)]
    categories = _categories(ranked[0], ranked[1], ids, names, image_ids, errors)
    return Comparison(a.id, b.id, kind, seeds, levels, categories)


def category_replicates(ranking: Ranking, count: int = resample.REPLICATES) -> np.ndarray:
    """Return AP of every category (C, count) in the samples of `resample.replicates`."""
    rng = np.random.default_rng(0)
    even = np.full(ranking.images, 1 / ranking.images)
    blocks = []
    for first in range(0, count, resample.LANES):
        size = min(resample.LANES, count - first)
        blocks.append(category_ap(ranking, rng.multinomial(ranking.images, even, size=size).T))
    return np.concatenate(blocks, axis=1)


def category_ap(ranking: Ranking, weights: np.ndarray | None = None) -> np.ndarray:
    """Return AP (C, S) with image weights (I, S), by default 1; NaN without objects."""
    if weights is None:
        weights = np.ones((ranking.images, 1))
    truths = ranking.truth_image, ranking.truth_category
    rows = ranking.offsets, ranking.image, ranking.hit, ranking.ignored
    return sample_ap(*rows, *truths, np.ascontiguousarray(weights, np.float32))


def found(ranking: Ranking, category: int) -> np.ndarray:
    """Return how many objects of a category are found in each image (I,).

    An object counts as found if one of the category's highest-scored detections matches it at IoU
    0.5. As many detections are considered as there are objects, because a threshold on the score
    would depend on model and category.
    """
    first, last = ranking.offsets[category : category + 2]
    counted = (ranking.ignored[first:last] & 1) == 0
    rows = np.flatnonzero(counted)[: int((ranking.truth_category == category).sum())] + first
    hits = rows[(ranking.hit[rows] & 1) == 1]
    return np.bincount(ranking.image[hits], minlength=ranking.images)


def _run(evaluation: Evaluation, seed: int, scale: Scale) -> replicates.Replicates:
    files = (scale.detections, scale.metrics, scale.matches, scale.replicates)
    refuse(path(evaluation, seed) for path in files)
    metrics = _metrics(evaluation, seed, scale)
    return replicates.load(scale.replicates(evaluation, seed), metrics)


def _metrics(evaluation: Evaluation, seed: int, scale: Scale) -> dict:
    path = scale.metrics(evaluation, seed)
    if not path.is_file():
        command = f"seesaw evaluate {evaluation.id} --seed {seed} {scale.options}"
        raise UserError(f"{path} is missing; run `{command}` first.")
    return read_output(path, Metrics)


def _ranking(e: Evaluation, seed: int, scale: Scale, kind: str, categories: int) -> Ranking:
    """Read the ranking of a kind; copied without their records, files may not belong together."""
    path = scale.matches(e, seed)
    found = resample.load(path).get(kind)
    if found is None or len(found.groups) != categories:
        what = f"has not the {kind} matches of the categories in metrics.json"
        raise UserError(f"{path} {what}; {remake(path)}.")
    return found


def _annotations(scale: Scale, scored: str) -> tuple[dict[int, str], list[int] | None]:
    """Return category id -> name and the sorted image ids; empty and None without the dataset.

    ``scored`` is the sha256 of the annotations with which the metrics were computed.
    """
    path = scale.annotations("val")
    if not path.is_file():
        return {}, None
    if sha256_of(path) != scored:
        raise UserError(
            f"{path} is not the file with which the metrics were computed; restore it, or run "
            f"`{scale.data_command}` and evaluate again."
        )
    data = load_annotations(path)
    names = {c["id"]: c["name"] for c in data["categories"]}
    return names, sorted(image["id"] for image in data["images"])


def _categories(
    a: Sequence[Ranking],
    b: Sequence[Ranking],
    ids: list[int],
    names: dict[int, str],
    image_ids: list[int] | None,
    errors: bool,
) -> list[Category]:
    once = [PERCENT * np.hstack([category_ap(r) for r in rankings]) for rankings in (a, b)]
    values = once[1] - once[0]  # (C, seeds)
    change = None  # (seeds, C, B)
    if errors:
        drawn = [np.stack([category_replicates(r) for r in rankings]) for rankings in (a, b)]
        change = PERCENT * (drawn[1] - drawn[0])
    truth = a[0]
    result = []
    for c, category_id in enumerate(ids):
        at = np.unique(truth.truth_image[truth.truth_category == c])
        if not len(at):
            continue
        resampled = None if change is None else change[:, c]
        estimate = _change(values[c], resampled, len(at))
        gap = found(b[0], c) - found(a[0], c)
        gap = gap if estimate.value >= 0 else -gap
        best = [i for i in np.argsort(-gap, kind="stable")[:EXAMPLES] if gap[i] > 0]
        result.append(
            Category(
                id=category_id,
                name=names.get(category_id, str(category_id)),
                group=GROUPS[truth.groups[c]],
                images=len(at),
                objects=int((truth.truth_category == c).sum()),
                a=float(once[0][c].mean()),
                b=float(once[1][c].mean()),
                change=estimate,
                examples=[image_ids[i] for i in best] if image_ids else [],
            )
        )
    return sorted(result, key=lambda c: (-c.change.value, c.id))


def _change(values: np.ndarray, drawn: np.ndarray | None, images: int) -> Estimate:
    if drawn is not None and images >= FEWEST and (known := uncertainty.combine(values, drawn)):
        return known
    nan = float("nan")
    return Estimate(float(values.mean()), nan, nan, nan, len(values))
