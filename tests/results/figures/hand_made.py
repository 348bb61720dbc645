"""Results whose every number is known: 12 categories, gradients and AP by simple rules."""

import json
from pathlib import Path

from seesaw.evaluation.errors import TYPES

IDS = range(1, 13)
# Categories 3 and 4 tie in instances: the lower id goes first.
INSTANCES = [5, 1, 40, 40, 90, 2, 3, 100, 60, 20, 8, 7]
GROUPS = ["c", "r", "f", "f", "f", "r", "r", "f", "f", "c", "c", "c"]
ORDER = [8, 5, 9, 3, 4, 10, 11, 12, 1, 7, 6, 2]  # by hand
CE, SEESAW = "mask_rcnn_random_ce", "mask_rcnn_random_seesaw"
CELLS = [
    f"{framework}_{sampler}_{loss}"
    for framework in ("mask_rcnn", "cascade")
    for sampler in ("random", "rfs")
    for loss in ("ce", "eql", "bags", "seesaw")
]


def write(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def metrics(offset):
    """AP of category i is (i + offset) per cent; val has no category 7."""
    ap = {str(i): None if i == 7 else (i + offset) / 100 for i in IDS}
    whole = {"AP": 0.1 + offset / 100, "AP_r": None, "AP_c": 0.2, "AP_f": 0.3}
    return {"segm": whole, "bbox": {"AP": 0.4}, "per_category": {"segm": ap}}


def errors(offset):
    """AP50 and costs of all error types; one rare object is taken for another category."""
    groups = {"all": 0.3, "r": None, "c": 0.2, "f": 0.4 + offset / 100}
    costs = {kind: dict.fromkeys(groups, 0.1) for kind in TYPES} | {"classification": groups}
    called = {str(IDS[0]): {str(IDS[1]): 1, "none": 2}}
    return {"AP50": groups, "cost": costs, "number": costs, "called": called}


def gradients(background):
    """Positive i, negative 2 i of foreground and ``background`` times i of background RoIs."""
    return {
        "categories": list(IDS),
        "instances": INSTANCES,
        "positive": [float(i) for i in IDS],
        "negative_foreground": [2.0 * i for i in IDS],
        "negative_background": [float(background * i) for i in IDS],
        "samples": [i for i in IDS],
        "iterations": 3,
    }
