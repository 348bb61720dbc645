"""Hand-made results at mini scale: what an evaluation, a training and a timing leave."""

import json

import numpy as np

from seesaw.evaluation import replicates
from seesaw.results.claims.measure import report
from seesaw.spec.metrics import MASK

CE, SEESAW = "mask_rcnn_random_ce", "mask_rcnn_random_seesaw"
GAIN = dict(kind="gain", pair=[CE, SEESAW], metric="AP_r")
CATEGORIES = [(1, "r"), (2, "r"), (3, "c"), (4, "f")]


def found(scale, claims, known=None):
    """What the report says of the first claim; ``known`` are the current fingerprints."""
    return report(scale, claims, None, known or {}).claims[0]


def evaluated(scale, evaluation, seed, ap, noise=0.0, annotations="0" * 64):
    """AP and AP_r of `ap` points; 400 draws, in turn `noise` points above and below."""
    path = scale.metrics(scale.table.evaluations[evaluation], seed)
    value = None if ap is None else ap / 100
    numbers = dict.fromkeys(MASK, value)
    content = {"segm": numbers, "bbox": numbers}
    drawn = np.full((400, 4), 0.0 if value is None else value)
    drawn += noise / 100 * np.resize([1, -1], (400, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    both = {"segm": drawn, "bbox": drawn}
    replicates.save(path.with_name("replicates.json"), content, both, annotations)


def both(scale, *values, pair=(CE, SEESAW), **options):
    """AP of a pair for each seed, one after the other; options are for the second."""
    for seed, (a, b) in enumerate(values):
        evaluated(scale, pair[0], seed, a)
        evaluated(scale, pair[1], seed, b, **options)


def trained(scale, training, seed, rare, frequent):
    """Gradients with these ratios; of the two rare categories one alone has the positive ones."""
    counts = [
        {"id": i, "name": f"c{i}", "frequency": group, "instance_count": 9 - i}
        for i, group in CATEGORIES
    ]
    scale.entry.category_counts.parent.mkdir(parents=True, exist_ok=True)
    scale.entry.category_counts.write_text(json.dumps({"categories": counts}))
    path = scale.model(training, seed).with_name("gradients.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "categories": [4, 3, 2, 1],  # by id, in any order
        "positive": [8 * frequent, 1.0, 0.0, 8 * rare],
        "negative_foreground": [6.0, 1.0, 3.0, 3.0],
        "negative_background": [2.0, 1.0, 1.0, 1.0],
    }
    path.write_text(json.dumps(content))


def timed(scale, **rounds):
    """Images/s of each round."""
    scale.speed.parent.mkdir(parents=True, exist_ok=True)
    scale.speed.write_text(json.dumps({"rounds": {"ours": rounds}}))
