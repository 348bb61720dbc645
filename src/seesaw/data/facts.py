"""Count the images and categories of a dataset, and the images of an epoch, from its files."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from seesaw.core import paths
from seesaw.core.hashing import cached_json
from seesaw.core.integrity import read_output
from seesaw.data.annotations import MIN_SIDE, read_annotations
from seesaw.spec.annotations import frequency_of, load_annotations
from seesaw.spec.datasets import DatasetEntry
from seesaw.spec.outputs import Counts


def facts(entry: DatasetEntry, threshold: float) -> dict[str, Any]:
    """Return the counts of a dataset; those that need a missing file are left out.

    ``threshold`` is the t of repeat factor sampling.

    Returns:
        ``images`` (split -> images), and for the train split ``counts`` (as in
        category_counts.json) and ``epoch`` (images of an epoch with random sampling and with rfs).

    Raises:
        UserError: a file is no LVIS annotation file, or has a fault.
    """
    there = {k: p for k, f in entry.files.items() if (p := entry.root / f).is_file()}
    cache = paths.CACHE / "preflight" / f"{entry.name}.json"
    # reading LVIS's training file takes a minute, hashing it three seconds
    found = cached_json([*there.values()], cache, lambda: _read(there))
    made = {"images": found["images"]}
    if "kinds" in found:
        kinds, occurrences = found["kinds"], Counter[int]()
        for categories, n in kinds:
            occurrences.update(dict.fromkeys(categories, n))
        images = sum(n for _, n in kinds)
        factors = repeat_factors(occurrences, images, threshold)
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


def _read(files: dict[str, Path]) -> dict[str, Any]:
    others = {split: path for split, path in files.items() if split != "train"}
    images = {split: len(load_annotations(path)["images"]) for split, path in others.items()}
    if "train" not in files:
        return {"images": images}
    found = read_annotations(files["train"])
    found.refuse()
    large = {i.id for i in found.images if min(i.width, i.height) >= MIN_SIDE}
    # an image without valid boxes is kept, with repeat factor 1
    categories = {image: set[int]() for image in found.ints[:, 2].tolist() if image in large}
    for image, category in found.ints[found.kept][:, 2:4].tolist():
        if image in large:
            categories[image].add(category)
    kinds = Counter(tuple(sorted(some)) for some in categories.values())
    return {
        "images": images | {"train": len(found.images)},
        "counts": found.counts(),
        "kinds": list(kinds.items()),
    }
