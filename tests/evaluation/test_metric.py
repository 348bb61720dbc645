"""StreamedLVISMetric in the evaluation of any dataset in LVIS format."""

import json

import generated
import pytest
import torch

from seesaw.errors import UserError
from seesaw.evaluation.lvis_eval import evaluate
from seesaw.evaluation.metric import StreamedLVISMetric


def sample(line):
    """What mmdet gives for an image of a detections file, with labels from 0."""
    corner, size = torch.tensor(line["bboxes"]).reshape(-1, 2, 2).unbind(1)
    found = {
        "bboxes": torch.cat([corner, corner + size], 1),
        "scores": torch.tensor(line["scores"], dtype=torch.float64),
        "labels": torch.tensor(line["category_ids"]) - 1,
        "masks": line["counts"],
    }
    shape = line["height"], line["width"]
    return {"img_id": line["image_id"], "ori_shape": shape, "pred_instances": found}


def test_labels_count_the_categories_in_the_order_of_the_file(tmp_path):
    """As in mmdet's datasets: ids may begin at 0, have gaps and stand in any order."""
    data = generated.dataset(1)
    lines = generated.random_detections(data, 20)
    annotations, detections = generated.save(tmp_path, data, lines)
    ours = evaluate(detections, annotations)
    ids = {c["id"]: 3 * i for i, c in enumerate(reversed(data["categories"]))}
    for category in data["categories"]:
        category["id"] = ids[category["id"]]
    for image in data["images"]:
        for name in ("neg_category_ids", "not_exhaustive_category_ids"):
            image[name] = [ids[c] for c in image[name]]
    for annotation in data["annotations"]:
        annotation["category_id"] = ids[annotation["category_id"]]
    annotations.write_text(json.dumps(data))

    metric = StreamedLVISMetric(str(annotations))
    metric.process(None, [sample(line) for line in lines])
    scores = metric.evaluate(len(lines))
    for kind in ("segm", "bbox"):
        assert scores[f"lvis/{kind}_AP"] == pytest.approx(ours[kind]["AP"], abs=1e-9)
        assert scores[f"lvis/{kind}_AP_r"] == pytest.approx(ours[kind]["AP_r"], abs=1e-9)
    metric.process(None, [sample(lines[0] | {"category_ids": [len(ids) + 1] * 20})])
    with pytest.raises(UserError, match=rf"{annotations} .*{len(ids)} .*label {len(ids)}"):
        metric.evaluate(1)
