"""Error types: parity with tidecv, and one hand-made example of each type."""

import json
from pathlib import Path

import generated
import numpy as np
import pytest

from seesaw.evaluation import errors
from seesaw.evaluation.ground_truth import load
from seesaw.evaluation.lvis_eval import evaluate

# By tidecv 1.0.1, TIDERun(..., 0.5, 0.1, TIDE.MASK, 300) on the data of `case`, with an ignored
# region over the whole image for each category that LVIS would not judge; means over categories.
TIDE = json.loads((Path(__file__).parent / "golden/tide.json").read_text())


def case(folder, seed):
    data = generated.dataset(seed)
    lines = generated.detections(data, seed, apart=seed == 7)
    return generated.save(folder, data, generated.misnamed(data, lines, seed))


@pytest.mark.parametrize("seed", TIDE)
def test_costs_and_numbers_are_those_of_tidecv(tmp_path, seed):
    annotations, detections = case(tmp_path, int(seed))
    found, wanted = errors.analyse(detections, load(annotations)), TIDE[seed]
    assert found["AP50"] == pytest.approx(wanted["AP50"], abs=1e-9)
    assert wanted["cost"].keys() == found["cost"].keys() == set(errors.TYPES)
    for kind, costs in wanted["cost"].items():
        assert found["cost"][kind] == pytest.approx(costs, abs=1e-9), kind
        assert found["number"][kind]["all"] == wanted["number"][kind]


def test_ap50_is_that_of_the_evaluation_where_annotations_are_ignored_too(tmp_path):
    data = generated.dataset(11)
    for annotation in data["annotations"][::4]:
        annotation["ignore"] = 1
    lines = generated.misnamed(data, generated.detections(data, 11), 11)
    annotations, detections = generated.save(tmp_path, data, lines)
    wanted = evaluate(detections, annotations)["segm"]["AP50"]
    assert errors.analyse(detections, load(annotations))["AP50"]["all"] == pytest.approx(wanted)


SIDE = 40


def square(x, y, side=10):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def analysed(folder, objects, detections, negative=(), lenient=()):
    """Analyse one image: objects (category, mask), detections (category, mask) by score."""
    size = {"height": SIDE, "width": SIDE}
    image = {"id": 1, **size, "neg_category_ids": [*negative]}
    image["not_exhaustive_category_ids"] = [*lenient]
    data = {"images": [image], "annotations": []}
    data["categories"] = [
        {"id": i, "name": f"c{i}", "frequency": f} for i, f in enumerate("rcff", start=1)
    ]
    for n, (category, mask) in enumerate(objects, start=1):
        segmentation = {"size": [SIDE, SIDE], "counts": generated.rle_of(mask)}
        data["annotations"].append(
            {"id": n, "image_id": 1, "category_id": category, "segmentation": segmentation}
            | {"bbox": generated.box_of(mask), "area": float(mask.sum())}
        )
    line = {"image_id": 1, **size, "category_ids": [c for c, _ in detections]}
    line["scores"] = [0.9 - 0.1 * n for n in range(len(detections))]
    line["bboxes"] = [generated.box_of(mask) for _, mask in detections]
    line["counts"] = [generated.rle_of(mask) for _, mask in detections]
    annotations, found = generated.save(folder, data, [line])
    return errors.analyse(found, load(annotations))


RARE, COMMON, FREQUENT = 1, 2, 3
AT, BESIDE, FAR = square(0, 0), square(4, 0), square(25, 25)  # IoU of AT and BESIDE: 6 / 14


@pytest.mark.parametrize(
    ("kind", "detections", "cost"),
    [
        ("classification", [(COMMON, AT)], 1.0),
        ("localisation", [(RARE, BESIDE)], 1.0),
        ("both", [(COMMON, BESIDE)], 0.0),
        ("duplicate", [(RARE, AT), (RARE, AT)], 0.0),
        ("background", [(RARE, FAR), (RARE, AT)], 0.5),
        ("missed", [], 0.0),
    ],
)
def test_each_type(tmp_path, kind, detections, cost):
    found = analysed(tmp_path, [(RARE, AT)], detections, negative=[COMMON])
    numbers = {name: number["all"] for name, number in found["number"].items() if number["all"]}
    # nothing would mend a detection of both kinds of error, so its object is missed too
    assert numbers == {kind: 1} | ({"missed": 1} if kind == "both" else {})
    assert found["cost"][kind]["r"] == pytest.approx(cost)


def test_the_best_scored_detection_alone_is_mended(tmp_path):
    """Two of another category at one object: mended, one finds it and the other goes."""
    twice = [(COMMON, AT), (FREQUENT, AT)]
    found = analysed(tmp_path, [(RARE, AT)], twice, negative=[COMMON, FREQUENT])
    assert found["number"]["classification"] == {"all": 2, "r": 0, "c": 1, "f": 1}
    assert found["cost"]["classification"]["r"] == pytest.approx(1) and found["AP50"]["r"] == 0


def test_what_the_image_says_nothing_about_does_not_count_but_may_be_mended(tmp_path):
    unjudged = analysed(tmp_path, [(RARE, AT)], [(COMMON, AT), (COMMON, FAR)])
    assert {kind: number["all"] for kind, number in unjudged["number"].items()} == dict.fromkeys(
        errors.TYPES, 0
    )
    assert unjudged["cost"]["classification"]["r"] == pytest.approx(1)
    lenient = analysed(tmp_path, [(RARE, AT)], [(RARE, FAR), (RARE, AT)], lenient=[RARE])
    assert lenient["AP50"]["r"] == pytest.approx(1) and lenient["number"]["background"]["all"] == 0


def test_what_rare_objects_are_called(tmp_path):
    objects = [(RARE, AT), (RARE, FAR), (COMMON, square(25, 0))]
    shown = [(RARE, BESIDE), (FREQUENT, AT), (RARE, AT)]
    assert analysed(tmp_path, objects, shown)["called"] == {"1": {"3": 1, "none": 1}}
