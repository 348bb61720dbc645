"""Standard errors of LVIS AP by resampling images, from matches that are computed once.

A replicate draws as many images as there are, with replacement (multinomial bootstrap), and
recomputes AP from the cached matches. Its mean is biased upwards for LVIS AP (a rare category
without a drawn image drops out of the average), so percentile intervals are invalid; the functions
here report estimate ± 1.96 SE. This interval covers the AP of datasets of the same size: AP of a
category with few objects is itself biased upwards, equally for all models.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from seesaw.core.files import replacing
from seesaw.core.pace import Pace
from seesaw.core.records import remake
from seesaw.errors import UserError
from seesaw.evaluation.ground_truth import GROUPS
from seesaw.evaluation.lvis_eval import Matches
from seesaw.evaluation.matcher import IOU_THRESHOLDS, sample_ap

NAMES = ("AP", *(f"AP_{group}" for group in GROUPS))
DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, RuntimeError)
DAMAGE += (zipfile.BadZipFile, zlib.error)  # what numpy and zipfile raise on a damaged archive
REPLICATES = 500  # an SE from them is known to 3 % (1 / sqrt(2 * 500))
LANES = 16  # replicates at once: one cache line of float32 weights an image


@dataclass(frozen=True)
class Ranking:
    """The part of `Matches` that AP over all areas depends on: N ranked detections.

    Detections are sorted by category, then by descending score. Those that cannot change AP are
    left out: they are ignored at every threshold, or below their category's last true positive.
    """

    offsets: np.ndarray  # (C + 1,), category c owns rows offsets[c]:offsets[c + 1]
    image: np.ndarray  # (N,) int32 image index
    hit: np.ndarray  # (N,) uint16, bits over IoU thresholds: true positive
    ignored: np.ndarray  # (N,) uint16: neither true nor false positive
    truth_image: np.ndarray  # (M,) int32 image index of each annotation that counts
    truth_category: np.ndarray  # (M,) int32 its category index
    groups: np.ndarray  # (C,) index into "rcf"
    images: int  # I

    @classmethod
    def of(cls, matches: Matches) -> Ranking:
        """Build the ranking of matches."""
        hit, ignored, counts = matches.hit[:, 0], matches.ignored[:, 0], matches.truth_counts[:, 0]
        categories = len(matches.groups)
        category = np.repeat(np.arange(categories), np.diff(matches.offsets))
        found = np.flatnonzero(hit)
        last = np.full(categories, -1)
        np.maximum.at(last, category[found], found)
        kept = (np.arange(len(hit)) <= last[category]) & (ignored != 2 ** len(IOU_THRESHOLDS) - 1)
        return cls(
            offsets=np.searchsorted(category[kept], np.arange(categories + 1)),
            image=matches.image[kept],
            hit=hit[kept],
            ignored=ignored[kept],
            truth_image=matches.truth_image[counts],
            truth_category=matches.truth_category[counts],
            groups=matches.groups.astype(np.uint8),
            images=matches.images,
        )


def save(rankings: dict[str, Ranking], path: Path | str) -> None:
    """Write rankings by kind ("segm", "bbox") to an ``.npz`` file, atomically.

    The same rankings give the same bytes.
    """
    path = Path(path)
    arrays = {
        f"{kind}.{f.name}": getattr(ranking, f.name)
        for kind, ranking in rankings.items()
        for f in fields(Ranking)
    }
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load(path: Path | str) -> dict[str, Ranking]:
    """Read a file of `save`.

    Raises:
        UserError: the file is missing or damaged.
    """
    found: dict[str, dict] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays:
                kind, name = key.split(".")
                found.setdefault(kind, {})[name] = arrays[key]
        return {
            kind: Ranking(**parts | {"images": int(parts["images"])})
            for kind, parts in found.items()
        }
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `seesaw evaluate` first.") from None
    except DAMAGE as error:
        raise UserError(f"{path} is damaged ({error}); {remake(Path(path))}.") from None


def scores(ranking: Ranking, weights: np.ndarray | None = None) -> np.ndarray:
    """Return AP, AP_r, AP_c, AP_f (4,) with image weights (I,); NaN where undefined."""
    weights = np.ones(ranking.images) if weights is None else np.asarray(weights)
    return _scores(ranking, weights[:, None])[0]


def replicates(ranking: Ranking, count: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """Return bootstrap replicates (count, 4) of `scores`.

    The same seed draws the same images for every model and kind, so the replicates of two models
    on one dataset are paired.
    """
    rng = np.random.default_rng(seed)
    even = np.full(ranking.images, 1 / ranking.images)
    drawn = np.empty((count, len(NAMES)))
    pace = Pace("bootstrap samples", count)
    for first in range(0, count, LANES):
        pace.report(first)
        size = min(LANES, count - first)
        weights = rng.multinomial(ranking.images, even, size=size).T
        drawn[first : first + size] = _scores(ranking, weights)
    return drawn


def _scores(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """`scores` (S, 4) of samples (I, S)."""
    ap = sample_ap(
        ranking.offsets,
        ranking.image,
        ranking.hit,
        ranking.ignored,
        ranking.truth_image,
        ranking.truth_category,
        np.ascontiguousarray(weights, np.float32),
    )
    parts = [slice(None)] + [ranking.groups == group for group in range(len(GROUPS))]
    defined = ~np.isnan(ap)
    with np.errstate(invalid="ignore"):  # no category: 0 / 0 is NaN
        means = [np.where(defined[p], ap[p], 0).sum(0) / defined[p].sum(0) for p in parts]
    return np.stack(means, axis=1)


def report(estimate: np.ndarray, drawn: np.ndarray) -> dict[str, dict | None]:
    """Return estimate, SE and 95 % interval of AP, AP_r, AP_c, AP_f from replicates (count, 4)."""
    report: dict[str, dict | None] = {}
    for i, name in enumerate(NAMES):
        values = drawn[~np.isnan(drawn[:, i]), i]
        if np.isnan(estimate[i]) or len(values) < 2:
            report[name] = None
            continue
        se, middle = float(values.std(ddof=1)), float(estimate[i])
        report[name] = {"estimate": middle, "se": se} | {
            "low": middle - 1.96 * se,
            "high": middle + 1.96 * se,
        }
    return report
