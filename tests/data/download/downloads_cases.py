"""A small table of downloads, what its files contain, and the verb that fetches them."""

import json
import zipfile
from pathlib import Path

from zips import zipped

from seesaw.cli import main

WEIGHTS = b"weights of a backbone"
ANNOTATIONS = {
    "images": [{"id": 1}, {"id": 2}],
    "categories": [{"id": 1}],
    "annotations": [
        {"id": 7, "area": 9.0, "bbox": [0, 0, 3, 3]},
        {"id": 8, "area": 0.2, "bbox": [0, 0, 0.5, 3]},
    ],
}
IMAGES = {f"train2017/{i:012}.jpg": bytes([i]) * 2000 for i in range(5)}
FILES = {
    "lvis_v1_train.json.zip": zipped({"lvis_v1_train.json": json.dumps(ANNOTATIONS)}),
    "train2017.zip": zipped(
        {"train2017/": b"", **IMAGES, "__MACOSX/train2017/._1.jpg": b"no"}, zipfile.ZIP_STORED
    ),
    "resnet50.pth": WEIGHTS,
}
MORE = {
    "lvis_v1_train.json.zip": {
        "makes": "annotations/lvis_v1_train.json",
        "counts": {"images": 2, "annotations": 2, "categories": 1},
        "invalid": [7],
    },
    "train2017.zip": {"makes": "train2017", "counts": {"files": 5}},
    "resnet50.pth": {"checkpoint": "torchvision://resnet50"},
}


def run(*words):
    return main.main(["download", *words, "--scale", "paper"])


def put_file(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


def put_link(path, target):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).symlink_to(target)
