"""LVIS AP of a detections file: the numbers of ``lvis`` 0.5.3, sparse, streamed, flat in memory.

lvis-api stores a cell for every image × category × area range; almost all are empty. Here the
compiled matcher processes the images one by one and stores a few bytes per kept detection
(`Matches`), from which `accumulate` computes AP for the whole set or for a bootstrap sample.

hotcoco 1.3.0 gives the same numbers at about the same speed, but its per-detection matches come
as Python dicts (``eval_imgs``: 3 ms and 0.6 MB an image), five times the cost of its matching; it
is a cross-check in the tests. One difference from lvis-api: an annotation with id 0 can be found.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seesaw.core.pace import Pace
from seesaw.errors import UserError
from seesaw.evaluation import matcher
from seesaw.evaluation.detections import MAX_DETECTIONS, read
from seesaw.evaluation.ground_truth import GROUPS, GroundTruth, load, no_garbage_collection

KINDS = ("segm", "bbox")


@dataclass
class Matches:
    """Result of matching: N kept detections sorted by category, then by descending score.

    T IoU thresholds are bits of a uint16; A area ranges (all, small, medium, large) are columns.
    """

    offsets: np.ndarray  # (C + 1,), category c owns rows offsets[c]:offsets[c + 1]
    image: np.ndarray  # (N,) int32 image index
    score: np.ndarray  # (N,) float64
    hit: np.ndarray  # (N, A) uint16: true positive
    ignored: np.ndarray  # (N, A) uint16: neither true nor false positive
    truth_image: np.ndarray  # (M,) int32 image index of each annotation
    truth_category: np.ndarray  # (M,) int32 category index
    truth_counts: np.ndarray  # (M, A) bool: not ignored
    groups: np.ndarray  # (C,) index into "rcf"
    images: int  # I
    detections: int  # in the file, judged or not


@no_garbage_collection()
def match(detections: Path | str, truth: GroundTruth, kinds=KINDS) -> dict[str, Matches]:
    """Match the detections of a file, by masks ("segm") and boxes ("bbox") in one pass.

    The rules are those of lvis-api: the 300 highest scores of an image are used; categories outside
    its positive and negative ones and detections of zero area are dropped; unmatched detections of
    a category that is not exhaustively annotated are ignored. The area of a mask is its number of
    pixels, that of a box w x h.

    Raises:
        UserError: The file is malformed or lacks images of the annotations.
    """
    kept: dict[str, list] = {kind: [] for kind in kinds}
    truth_counts = {kind: np.zeros((len(truth.category), 4), bool) for kind in kinds}
    judged, lenient = np.zeros((2, len(truth.category_ids)), bool)
    total, seen = 0, 0
    pace = Pace("images matched", len(truth.image_ids))
    for image in read(detections, truth.images, truth.category_ids):
        pace.report(seen)
        index = int(np.searchsorted(truth.image_ids, image.image_id))
        rows = slice(truth.offsets[index], truth.offsets[index + 1])
        category_g = truth.category[rows]
        judged[:] = False
        judged[category_g] = True
        judged[truth.negative[index]] = True
        lenient[:] = False
        lenient[truth.not_exhaustive[index]] = True
        category = np.searchsorted(truth.category_ids, image.category_ids)
        for kind in kinds:
            masks = kind == "segm"
            score = image.mask_scores if masks else image.scores
            area = image.masks.areas if masks else image.boxes[:, 2] * image.boxes[:, 3]
            top = np.argsort(-score, kind="stable")[:MAX_DETECTIONS]
            top = top[judged[category[top]] & (area[top] > 0)]
            ious = _ious(image, top, category[top], truth, index, kind)
            hit, ignored, counts = matcher.match_image(
                ious,
                category[top],
                area[top].astype(np.float64),
                lenient[category[top]],
                category_g,
                truth.area[rows],
                truth.ignore[rows],
                matcher.AREA_RANGES,
                matcher.IOU_THRESHOLDS,
            )
            truth_counts[kind][rows] = counts
            kept[kind].append((category[top].astype(np.int32), score[top], hit, ignored, index))
        total += len(category)
        seen += 1
    if seen < len(truth.image_ids):
        raise UserError(
            f"{detections} holds {seen} of the {len(truth.image_ids)} images of {truth.path}: "
            "run detect on all of them."
        )
    return {kind: _flatten(truth, kept.pop(kind), truth_counts[kind], total) for kind in kinds}


def accumulate(matches: Matches, weights: np.ndarray | None = None, areas=(0, 1, 2, 3)):
    """Compute AP and recall per IoU threshold, category and area range.

    Args:
        matches: From `match`.
        weights: (I,) how often each image counts (a bootstrap sample); by default once.
        areas: Which area ranges (columns) to compute.

    Returns:
        AP and recall (T, C, len(areas)); NaN where a category has no ground truth to find.
    """
    if weights is None:
        weights = np.ones(matches.images)
    weights = np.asarray(weights, np.float64)
    ap, recall = [], []
    for area in areas:
        truths = np.bincount(
            matches.truth_category,
            weights[matches.truth_image] * matches.truth_counts[:, area],
            minlength=len(matches.groups),
        )
        curves = matcher.average_precision(
            matches.offsets,
            matches.image,
            matches.hit[:, area],
            matches.ignored[:, area],
            truths,
            weights,
            matcher.RECALL_THRESHOLDS,
            len(matcher.IOU_THRESHOLDS),
        )
        ap.append(curves[0])
        recall.append(curves[1])
    return np.stack(ap, -1), np.stack(recall, -1)


def summarize(ap: np.ndarray, recall: np.ndarray, groups: np.ndarray) -> dict[str, float | None]:
    """Return the thirteen metrics of lvis-api as fractions, None where undefined."""
    summary = {"AP": ap[:, :, 0], "AP50": ap[0, :, 0], "AP75": ap[5, :, 0]}
    summary |= {f"AP_{name}": ap[:, groups == g, 0] for g, name in enumerate(GROUPS)}
    summary |= {f"AP_{name}": ap[:, :, a] for a, name in enumerate("sml", start=1)}
    summary |= {"AR": recall[:, :, 0]}
    summary |= {f"AR_{name}": recall[:, :, a] for a, name in enumerate("sml", start=1)}
    return {name: mean(values) for name, values in summary.items()}


def mean(values: np.ndarray) -> float | None:
    """Return the mean over the defined values, as lvis-api averages over values above -1."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else None


def evaluate(detections: Path | str, annotations: Path | str) -> dict:
    """Compute the metrics of a detections file, as fractions.

    Returns:
        ``segm`` and ``bbox``: the metrics of masks and boxes, see `summarize`; ``per_category``:
        kind -> category id as text -> AP; and the numbers of ``images`` and ``detections``.

    Raises:
        UserError: A file is missing or malformed, or the two files do not belong together.
    """
    truth = load(annotations)
    return metrics_of(match(detections, truth), truth)


def metrics_of(found: dict[str, Matches], truth: GroundTruth) -> dict:
    """Compute the result of `evaluate` from matches by kind."""
    metrics: dict[str, Any] = {"per_category": {}}
    for kind, matches in found.items():
        ap, recall = accumulate(matches)
        metrics[kind] = summarize(ap, recall, truth.groups)
        ids = truth.category_ids.tolist()
        metrics["per_category"][kind] = {str(c): mean(ap[:, i, 0]) for i, c in enumerate(ids)}
        metrics |= {"images": matches.images, "detections": matches.detections}
    return metrics


def _ious(image, top, category, truth: GroundTruth, index: int, kind: str) -> np.ndarray:
    rows = slice(truth.offsets[index], truth.offsets[index + 1])
    category_g = truth.category[rows]
    if kind == "bbox":
        return matcher.box_ious(image.boxes[top], category, truth.boxes[rows], category_g)
    a, b = image.masks, truth.masks(index)
    return matcher.mask_ious(
        top,
        *(a.starts, a.ends, a.offsets, a.areas, category),
        *(b.starts, b.ends, b.offsets, b.areas, category_g),
    )


def _flatten(truth: GroundTruth, kept: list, truth_counts: np.ndarray, total: int) -> Matches:
    category = np.concatenate([k[0] for k in kept] or [np.empty(0, np.int32)])
    score = np.concatenate([k[1] for k in kept] or [np.empty(0)])
    # Stable: ties keep the order of images, then of the file, as in lvis-api.
    order = np.lexsort((-score, category))
    owner = np.repeat(np.array([k[4] for k in kept], np.int32), [len(k[0]) for k in kept])
    images = np.arange(len(truth.image_ids), dtype=np.int32)
    none = [np.empty((0, 4), np.uint16)]
    return Matches(
        offsets=np.searchsorted(category[order], np.arange(len(truth.groups) + 1)),
        image=owner[order],
        score=score[order],
        hit=np.concatenate([k[2] for k in kept] or none)[order],
        ignored=np.concatenate([k[3] for k in kept] or none)[order],
        truth_image=np.repeat(images, np.diff(truth.offsets)),
        truth_category=truth.category.astype(np.int32),
        truth_counts=truth_counts,
        groups=truth.groups,
        images=len(images),
        detections=total,
    )
