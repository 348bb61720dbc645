"""A small, valid data set in LVIS format: drawn boxes and triangles, four categories."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from seesaw.data import lvis_folder

NAMES = ("rook", "kite", "disc", "slab")
FREQUENCIES = ("r", "c", "f", "f")
SPLITS = {"train": 10, "val": 2, "test": 1}
PREFIX = "http://images.cocodataset.org/"
FILES = {"train": "annotations/train.json", "val": "annotations/val.json"}


def make(root: Path, size=(104, 88), kind="jpg", splits=SPLITS) -> Path:
    """Write the folder; three objects an image, whose ids go through all splits."""
    rng, image_id, annotation_id = np.random.default_rng(0), 0, 0
    (root / "annotations").mkdir(parents=True)
    categories = [
        {"id": i + 1, "name": name, "frequency": FREQUENCIES[i]} for i, name in enumerate(NAMES)
    ]
    for split, count in splits.items():
        (root / split).mkdir()
        images, annotations = [], []
        for _ in range(count):
            image_id += 1
            picture = Image.new("RGB", size, tuple(rng.integers(30, 90, 3).tolist()))
            drawn = set()
            for n in range(3):
                category = (image_id + n) % len(NAMES)
                drawn.add(category + 1)
                w, h = rng.integers(18, 34, 2).tolist()
                x, y = int(rng.integers(size[0] - w)), int(rng.integers(size[1] - h))
                outline = [x, y, x + w, y, x + w, y + h, x, y + h][: 8 if category % 2 else 6]
                colour = tuple(int(c) for c in 80 + 40 * np.eye(4)[category, :3] * 4)
                ImageDraw.Draw(picture).polygon(outline, fill=colour)
                if split != "test":
                    annotation_id += 1
                    annotations.append({
                        "id": annotation_id, "image_id": image_id, "category_id": category + 1,
                        "bbox": [x, y, w, h], "segmentation": [outline],
                        "area": w * h / (1 if category % 2 else 2),
                    })  # fmt: skip
            name = f"{split}/{image_id:06d}.{kind}"
            picture.save(root / name)
            images.append({
                "id": image_id, "width": size[0], "height": size[1], "coco_url": PREFIX + name,
                "neg_category_ids": sorted({1, 2, 3, 4} - drawn)[:1],
                "not_exhaustive_category_ids": [],
            })  # fmt: skip
        content = {"images": images, "annotations": annotations, "categories": categories}
        write(root, split, content)
    return root


def path_of(root: Path, split: str) -> Path:
    """Return a split's annotation file."""
    return root / "annotations" / f"{split}.json"


def read(root: Path, split: str) -> dict:
    """Return the content of a split's annotation file."""
    return json.loads(path_of(root, split).read_text())


def write(root: Path, split: str, content: object) -> None:
    """Replace the content of a split's annotation file."""
    path_of(root, split).write_text(json.dumps(content))


def edit(root: Path, split: str, change) -> None:
    """Change a split's annotation file by a function of its content."""
    content = read(root, split)
    change(content)
    write(root, split, content)


def faults(root: Path) -> list[tuple[str, str]]:
    """Return the faults of a folder that `seesaw data` reports: what has them, and their codes."""
    found = lvis_folder.read(root, FILES)
    lvis_folder.manifest(root, found)
    return [(f.who, f.fault.code) for content in found.values() for f in content.faults]
