"""Where AP50 of masks is lost: the error types of TIDE (Bolya et al., ECCV 2020) on LVIS.

A false positive at IoU 0.5 has one type, by its overlaps with the image's objects; the first that
fits counts:

| type | the detection |
|---|---|
| localisation | has an IoU of 0.1 to 0.5 with an object of its category |
| classification | has an IoU of 0.5 or more with an object of another category |
| duplicate | has an IoU of 0.5 or more with an object of its category that another one has found |
| background | has an IoU of at most 0.1 with every object |
| both | is none of these: wrong category, wrong place |

An object is *missed* if no detection finds it and no error of localisation or classification could
be mended to do so. A type's cost is by how much AP50 rises if the type alone is mended, as
tidecv 1.0.1 computes it: the best-scored of the detections that could find an object does, all
others of the type go; missed objects are no longer counted. Costs do not add up.

As in `seesaw.evaluation.lvis_eval`, detections of categories about which an image says nothing do
not count; one of them that lies on an object of another category still counts as an error of
classification, whose mending adds a true positive.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from seesaw.core.pace import Pace
from seesaw.errors import UserError
from seesaw.evaluation import matcher
from seesaw.evaluation.detections import MAX_DETECTIONS, ImageDetections, read
from seesaw.evaluation.ground_truth import GROUPS, GroundTruth
from seesaw.evaluation.lvis_eval import mean
from seesaw.spec.outputs import Errors

FALSE_POSITIVES = ("classification", "localisation", "both", "duplicate", "background")
TYPES = (*FALSE_POSITIVES, "missed")
HIT = -1  # of the types' indices
FOUND, NEAR = 0.5, 0.1  # IoU of a true positive; IoU above which a detection is at an object


class _Tally:
    """All detections that count or could be mended, and the objects that are missed."""

    def __init__(self, truth: GroundTruth):
        self.truth = truth
        self.missed = np.zeros(len(truth.category_ids))
        self.called: dict[int, Counter[int]] = {}  # rare category -> category, -1: no detection
        self.rows: list[tuple[np.ndarray, ...]] = []  # category, score, type, counts, mended

    def add(self, image: ImageDetections, index: int) -> None:
        """Judge the detections of one image."""
        truth = self.truth
        every = np.arange(truth.offsets[index], truth.offsets[index + 1])
        counted = ~truth.ignore[every]
        objects_category = truth.category[every[counted]]
        top = np.argsort(-image.mask_scores, kind="stable")[:MAX_DETECTIONS]
        top = top[image.masks.areas[top] > 0]
        score = image.mask_scores[top]
        category = np.searchsorted(truth.category_ids, image.category_ids[top])
        ious = _ious(image, top, truth, index)
        present = truth.category[every]
        own = category[:, None] == present
        on_ignored = np.where(own, ious, 0)[:, ~counted]
        own, ious = own[:, counted], ious[:, counted]
        at_own, at_other = np.where(own, ious, 0), np.where(own, 0, ious)
        found = _match(at_own)
        ignored = _match(np.where(found[:, None] >= 0, 0, on_ignored)) >= 0
        free = np.ones(len(objects_category), bool)
        free[found[found >= 0]] = False

        kind, nearest = _kinds(at_own, at_other, found)
        mended = np.full(len(top), -1)  # the category as which it would be a true positive
        usable = np.zeros(len(objects_category), bool)
        for row in np.flatnonzero(nearest >= 0):  # in descending order of scores
            g = nearest[row]
            if free[g] and not usable[g]:
                usable[g] = True
                mended[row] = objects_category[g]
        judged = np.isin(category, np.concatenate([present, truth.negative[index]]))
        lenient = np.isin(category, truth.not_exhaustive[index])
        counts = judged & ((found >= 0) | ~(lenient | ignored))
        self.rows.append((category, score, kind, counts, mended))
        np.add.at(self.missed, objects_category[free & ~usable], 1)
        for g in np.flatnonzero(truth.groups[objects_category] == 0):
            called = np.flatnonzero(ious[:, g] >= FOUND)[:1]
            names = self.called.setdefault(int(objects_category[g]), Counter())
            names[int(category[called[0]]) if len(called) else -1] += 1

    def result(self) -> Errors:
        """Compute the cost of each type."""
        category, score, kind, counts, mended = map(np.concatenate, zip(*self.rows, strict=True))
        size = len(self.missed)
        judged = self.truth.category[~self.truth.ignore]
        objects = np.bincount(judged, minlength=size).astype(float)
        base = _ap50(category[counts], score[counts], kind[counts] == HIT, objects)
        costs, numbers = {}, {}
        for n, name in enumerate(FALSE_POSITIVES):
            kept, fixed = counts & (kind != n), (kind == n) & (mended >= 0)
            rows = np.flatnonzero(kept | fixed)
            as_category = np.where(fixed, mended, category)[rows]
            right = (fixed | (kind == HIT))[rows]
            costs[name] = _ap50(as_category, score[rows], right, objects) - base
            wrong = np.bincount(category[counts & (kind == n)], minlength=size)
            numbers[name] = self._by_group(wrong.astype(float), np.sum)
        hits = kind[counts] == HIT
        left = _ap50(category[counts], score[counts], hits, objects - self.missed)
        costs["missed"] = np.where(np.isnan(left) & ~np.isnan(base), 0, left) - base
        numbers["missed"] = self._by_group(self.missed, np.sum)
        ids = {-1: "none"} | {c: str(i) for c, i in enumerate(self.truth.category_ids.tolist())}
        return Errors(
            AP50=self._by_group(base, mean),
            cost={name: self._by_group(cost, mean) for name, cost in costs.items()},
            number=numbers,
            called={
                ids[c]: {ids[n]: k for n, k in names.most_common()}
                for c, names in sorted(self.called.items())
            },
        )

    def _by_group(self, values: np.ndarray, of) -> dict[str, float | None]:
        parts = {name: self.truth.groups == g for g, name in enumerate(GROUPS)}
        found = {"all": of(values), **{name: of(values[part]) for name, part in parts.items()}}
        return {name: None if value is None else float(value) for name, value in found.items()}


def analyse(detections: Path, truth: GroundTruth) -> Errors:
    """Judge a detections file by masks; AP50 and costs are fractions.

    Raises:
        UserError: the file is malformed or lacks images of the annotations.
    """
    tally, seen = _Tally(truth), 0
    pace = Pace("images judged", len(truth.image_ids))
    for image in read(detections, truth.images, truth.category_ids):
        pace.report(seen)
        tally.add(image, int(np.searchsorted(truth.image_ids, image.image_id)))
        seen += 1
    if seen < len(truth.image_ids):
        raise UserError(
            f"{detections} holds {seen} of the {len(truth.image_ids)} images of {truth.path}: "
            "run detect on all of them."
        )
    return tally.result()


def _ious(image: ImageDetections, top: np.ndarray, truth: GroundTruth, index: int) -> np.ndarray:
    """Return the IoUs (D, G) of masks, whatever their categories."""
    a, b = image.masks, truth.masks(index)
    one, one_g = np.zeros(len(top), np.int64), np.zeros(len(b.areas), np.int64)
    return matcher.mask_ious(
        top,
        *(a.starts, a.ends, a.offsets, a.areas, one),
        *(b.starts, b.ends, b.offsets, b.areas, one_g),
    )


def _match(at_own: np.ndarray) -> np.ndarray:
    """Return the object (D,) that each detection finds, -1 for none; by descending score."""
    found, left = np.full(len(at_own), -1), at_own.copy()
    for row in np.flatnonzero((at_own >= FOUND).any(axis=1)):
        g = int(left[row].argmax())
        if left[row, g] >= FOUND:
            found[row] = g
            left[:, g] = 0
    return found


def _kinds(
    at_own: np.ndarray, at_other: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of each detection's type (D,), and the object that its mending would find.

    The object is -1 for types that cannot be mended so.
    """
    kind, nearest = (
        np.full(len(found), FALSE_POSITIVES.index("background")),
        np.full(len(found), -1),
    )
    if at_own.shape[1]:
        own, other = at_own.max(axis=1), at_other.max(axis=1)
        place = (own >= NEAR) & (own <= FOUND)
        name = ~place & (other >= FOUND)
        duplicate = ~place & ~name & (own >= FOUND)
        kind[~place & ~name & ~duplicate & (other > NEAR)] = FALSE_POSITIVES.index("both")
        kind[duplicate] = FALSE_POSITIVES.index("duplicate")
        kind[name] = FALSE_POSITIVES.index("classification")
        kind[place] = FALSE_POSITIVES.index("localisation")
        nearest[name] = at_other[name].argmax(axis=1)
        nearest[place] = at_own[place].argmax(axis=1)
    kind[found >= 0], nearest[found >= 0] = HIT, -1
    return kind, nearest


def _ap50(category, score, right, objects: np.ndarray) -> np.ndarray:
    """Return the AP at one threshold (C,), NaN for categories without objects."""
    order = np.lexsort((-score, category))
    offsets = np.searchsorted(category[order], np.arange(len(objects) + 1))
    hit = right[order].astype(np.uint16)
    ap, _ = matcher.average_precision(
        offsets,
        np.zeros(len(order), np.int32),
        hit,
        np.zeros_like(hit),
        objects,
        np.ones(1),
        matcher.RECALL_THRESHOLDS,
        1,
    )
    return ap[0]
