"""Two evaluations whose every detection is known, on twelve images of two categories."""

import json
import shutil

import numpy as np
from PIL import Image

from seesaw.cli.main import main
from seesaw.core import paths
from seesaw.data import lvis_folder
from seesaw.evaluation.detections import DetectionWriter
from seesaw.spec.scales import Scale

A, B = "a09_stronger_backbone", "a10_seesaw"
IDS = list(range(1, 13))
PLACE = {1: (4, 4), 2: (20, 20)}  # category -> corner of its 12 x 12 square
APPLE, PEAR = IDS, [2, 5, 11]  # images with one


def square(category):
    mask = np.zeros((40, 40), np.uint8)
    x, y = PLACE[category]
    mask[y : y + 12, x : x + 12] = 1
    return mask


def annotations():
    data = {"images": [], "annotations": [], "categories": []}
    for category, name, group in ((1, "apple", "f"), (2, "pear / green", "r")):
        data["categories"].append({"id": category, "name": name, "frequency": group})
    for i in IDS:
        url = f"http://images.cocodataset.org/val/{i}.png"
        lists = {"neg_category_ids": [1, 2], "not_exhaustive_category_ids": []}
        data["images"].append({"id": i, "height": 40, "width": 40, "coco_url": url, **lists})
        for category in [1] + [2] * (i in PEAR):
            x, y = PLACE[category]
            ring = [x, y, x + 12, y, x + 12, y + 12, x, y + 12]
            number = len(data["annotations"]) + 1
            owner = {"id": number, "image_id": i, "category_id": category}
            shape = {"area": 144.0, "bbox": [x, y, 12, 12], "segmentation": [ring]}
            data["annotations"].append(owner | shape)
    return data


def detect(path, apples, pears):
    """Perfect detections of a category in the images named."""
    with DetectionWriter(path) as writer:
        for i in IDS:
            labels = [0] * (i in apples) + [1] * (i in pears)
            boxes = [[*PLACE[n + 1], PLACE[n + 1][0] + 12, PLACE[n + 1][1] + 12] for n in labels]
            masks = [square(n + 1) for n in labels]
            writer.write(i, 40, 40, boxes, np.full(len(labels), 0.9), labels, masks)


def make(root, patch):
    """In ``root``, evaluations of A, which finds half of the apples, and B: all and no pear."""
    (root / "configs").symlink_to(paths.CONFIGS.resolve())
    shutil.copy(paths.LOCK, root)
    patch.chdir(root)
    scale = Scale("mini")
    scale.annotations("val").parent.mkdir(parents=True, exist_ok=True)
    scale.annotations("val").write_text(json.dumps(annotations()))
    (scale.entry.root / "val").mkdir()
    for i in IDS:
        Image.new("RGB", (40, 40), (200, 20 * i, 0)).save(scale.entry.root / f"val/{i}.png")
    for name, apples, pears in ((A, IDS[:6], PEAR[:2]), (B, IDS, [])):
        detect(scale.detections(scale.table.evaluations[name], 0), apples, pears)
    evaluate(scale)


def evaluate(scale):
    """Evaluate both with the annotations that are there."""
    val = lvis_folder.hashes(scale.entry.root, scale.entry.val)
    known = {"categories": 2, "hash": "content", "splits": {"val": val}}
    lvis_folder.write_json(known, scale.entry.manifest)
    for name in (A, B):
        assert main(["evaluate", name, "--scale", "mini"]) == 0
