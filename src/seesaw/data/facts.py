"""Count the images and categories of a dataset, and the images of an epoch, from its files."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from seesaw.core import paths
from seesaw.core.hashing import cached_json
from seesaw.core.integrity import read_output
from seesaw.data.annotations import MIN_SIDE
from seesaw.errors import UserError
from seesaw.spec.annotations import frequency_of
from seesaw.spec.datasets import DatasetEntry
from seesaw.spec.outputs import Counts


def facts(entry: DatasetEntry, threshold: float) -> dict[str, Any]:
    """Return the counts of a dataset; those that need a missing file are left out.

    ``threshold`` is the t of repeat factor sampling.

    Returns:
        ``images`` (split -> images), and for the train split ``counts`` (as in
        category_counts.json) and ``epoch`` (images of an epoch with random sampling and with rfs).

    Raises:
        UserError: a file is no LVIS annotation file.
    """
    there = {k: p for k, f in entry.files.items() if (p := entry.root / f).is_file()}
    cache = paths.CACHE / "preflight" / f"{entry.name}.json"
    # reading LVIS's training file takes half a minute, hashing it three seconds
    found = cached_json([*there.values()], cache, lambda: _read(there))
    made = {"images": found["images"]}
    if "kinds" in found:
        kinds = [(set(categories), n) for categories, n in found["kinds"]]
        images = sum(n for _, n in kinds)
        factors = repeat_factors(_occurrences(kinds), images, threshold)
        repeated = sum(
            n * math.ceil(max((factors[c] for c in cats), default=1)) for cats, n in kinds
        )
        made |= {"counts": found["counts"], "epoch": {"random": images, "rfs": repeated}}
    elif entry.category_counts.is_file():
        made["counts"] = read_output(entry.category_counts, Counts)
    return made


def repeat_factors(occurrences: dict[int, int], images: int, threshold: float) -> dict[int, float]:
    """Return r(c) = max(1, sqrt(t / f_c)) of each category (LVIS paper, appendix B).

    ``occurrences``: category -> number of training images that contain it; ``threshold`` is t.
    """
    return {c: max(1.0, math.sqrt(threshold * images / n)) for c, n in occurrences.items() if n}


def groups(counts: dict) -> dict[str, int]:
    """Count the categories of each of LVIS's frequency groups, by their training images."""
    found = Counter(frequency_of(c["image_count"]) for c in counts["categories"])
    return {k: found[k] for k in "rcf"}


def _occurrences(kinds: Iterable[tuple[set[int], int]]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for categories, n in kinds:
        found.update(dict.fromkeys(categories, n))
    return found


def _read(files: dict[str, Path]) -> dict[str, Any]:
    made: dict[str, Any] = {"images": {}}
    for split, path in files.items():
        try:
            content = orjson.loads(path.read_bytes())
            made["images"][split] = len(content["images"])
            if split == "train":
                made |= _train(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is no LVIS annotation file ({error!r}); get the file again."
            ) from None
    return made


def _train(content: dict) -> dict[str, Any]:
    """Count all annotations, and the sets of categories of the images that mmdet trains on."""
    size = {i["id"]: (i["width"], i["height"]) for i in content["images"]}
    every: dict[int, set[int]] = defaultdict(set)
    kept: dict[int, set[int]] = defaultdict(set)
    instances: Counter[int] = Counter()
    for a in content["annotations"]:
        image, category = a["image_id"], a["category_id"]
        every[image].add(category)
        instances[category] += 1
        if _valid(a, *size[image]):
            kept[image].add(category)
    # an image without valid boxes is kept, with repeat factor 1
    kinds = Counter(tuple(sorted(kept[image])) for image in every if min(size[image]) >= MIN_SIDE)
    occurs = _occurrences((set(c), 1) for c in every.values())
    rows = [
        {"id": c["id"], "image_count": occurs[c["id"]], "instance_count": instances[c["id"]]}
        for c in sorted(content["categories"], key=lambda c: c["id"])
    ]
    return {
        "counts": {"annotated_images": len(every), "categories": rows},
        "kinds": [[list(categories), n] for categories, n in kinds.items()],
    }


def _valid(annotation: dict, width: int, height: int) -> bool:
    """Return whether mmdet keeps a box (CocoDataset.parse_data_info)."""
    x, y, w, h = annotation["bbox"]
    inside_w = max(0, min(x + w, width) - max(x, 0))
    inside_h = max(0, min(y + h, height) - max(y, 0))
    return inside_w * inside_h > 0 and annotation["area"] > 0 and w >= 1 and h >= 1
