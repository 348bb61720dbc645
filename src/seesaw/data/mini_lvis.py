"""mini-LVIS: a synthetic, long-tailed, federated dataset in the format of LVIS v1.

It is generated without a download and is byte-identical each time, on every CPU. It has the
properties of LVIS (Gupta et al., 2019) that matter to the paper's losses: three frequency groups by
LVIS's own rule, Zipf-like image counts, tail categories that look like head categories, and
federated annotation.
"""

import math
import os
import shutil
from pathlib import Path

import numpy as np
import orjson

from seesaw.data.exact import png
from seesaw.data.federation import assign, plan_image
from seesaw.data.scenes import draw_scene, sample_size
from seesaw.data.segments import encode
from seesaw.data.shapes import Look, looks
from seesaw.errors import UserError
from seesaw.spec.annotations import URL_PREFIX, frequency_of
from seesaw.spec.mini_lvis import MiniLvisSpec, zipf_counts

SPLITS = ("train", "val", "test_dev")
MARKER = "mini_lvis.json"  # holds the spec; it also marks a folder that may be replaced
_GOLDEN = (math.sqrt(5) - 1) / 2
_POSITIVES = 4.2  # positive categories per val image


def generate(spec: MiniLvisSpec, root: Path, truth_root: Path) -> None:
    """Write the dataset and, in a separate folder, the ground truth that it leaves out.

    ``root`` gets ``annotations/{train,val,test_dev}.json`` and the images ``<split>/<id>.png``;
    test_dev has no annotations, as in LVIS. ``truth_root`` gets ``test_dev.json`` (its annotations,
    for an evaluation server) and ``drawn_<split>.json`` (every drawn object; ``annotation_id`` is
    null if the object is not annotated). Both get ``mini_lvis.json``, the spec.

    Args:
        spec: The parameters of the generator.
        root: Dataset folder; an earlier mini-LVIS in it is replaced.
        truth_root: Folder for the ground truth, outside ``root``.

    Raises:
        UserError: One folder is inside the other, or holds other files.
    """
    root, truth_root = Path(root).resolve(), Path(truth_root).resolve()
    if truth_root.is_relative_to(root) or root.is_relative_to(truth_root):
        raise UserError(f"{truth_root}: the truth must lie outside {root}: name another folder")
    targets = {
        path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in (truth_root, root)
    }
    for path in targets:
        ours = (path / MARKER).is_file() or not any(p.is_file() for p in path.rglob("*"))
        if path.is_file() or not ours:
            raise UserError(f"{path} holds files that are no mini-LVIS: name an empty folder")
    try:
        for path in targets.values():
            (path / "annotations").mkdir(parents=True)
            _dump(path / MARKER, spec.model_dump())
        _write(spec, targets[root], targets[truth_root])
        (targets[truth_root] / "annotations").rmdir()
        for path, made in targets.items():
            shutil.rmtree(path, ignore_errors=True)
            os.replace(made, path)
    finally:
        for made in targets.values():
            shutil.rmtree(made, ignore_errors=True)


def _write(spec: MiniLvisSpec, root: Path, truth_root: Path) -> None:
    rare, common, heads = spec.groups
    shapes = looks(heads, rare + common)
    names = _names(spec)
    ids = np.argsort(np.argsort(names)) + 1  # LVIS numbers its categories alphabetically
    balanced = [round(_POSITIVES * spec.val_images / spec.categories)] * spec.categories
    train_counts = zipf_counts(spec.groups, spec.edges, spec.train_images)
    for number, split in enumerate(SPLITS):
        images = spec.images(split)
        counts = (
            train_counts
            if split == "train"
            else [max(1, round(n * images / spec.val_images)) for n in balanced]
        )
        tail = rare + common if split == "train" else 0
        positives = assign(counts, images, np.random.default_rng([spec.seed, number]), tail)
        out = _Split(spec, shapes, ids)
        (root / split).mkdir()
        for i in range(images):
            image_id = 100_000 * number + i + 1
            picture = out.add_image(split, image_id, positives[i], [spec.seed, number, i])
            (root / split / f"{image_id:012d}.png").write_bytes(png(picture))
        content = out.content(names, train_counts)
        _dump(truth_root / f"drawn_{split}.json", out.drawn)
        if split == "test_dev":
            _dump(truth_root / "test_dev.json", content)
            content = _image_info(content)
        _dump(root / "annotations" / f"{split}.json", content)


class _Split:
    """Collects the images and annotations of one split."""

    def __init__(self, spec: MiniLvisSpec, shapes: list[Look], ids: np.ndarray):
        self.spec, self.shapes, self.ids = spec, shapes, ids
        self.images: list[dict] = []
        self.annotations: list[dict] = []
        self.drawn: list = []

    def add_image(self, split: str, image_id: int, positives: list[int], seed: list[int]):
        """Draw an image, (H, W, 3) RGB uint8, and add its annotations to the split."""
        spec, rng = self.spec, np.random.default_rng(seed)
        negatives, turn = max(2, spec.categories // 6), len(self.images) * _GOLDEN % 1
        plan = plan_image(positives, spec.groups[2], spec.categories, negatives, turn, rng)
        height, width = (int(n) for n in rng.integers(*spec.image_side, 2, endpoint=True))
        sizes = [sample_size(min(height, width), spec.large, rng) for _ in plan.drawn]
        picture, masks = draw_scene(
            height, width, [self.shapes[c] for c, _ in plan.drawn], sizes, rng
        )
        self.images.append(
            {
                "id": image_id,
                "width": width,
                "height": height,
                "coco_url": f"{URL_PREFIX}{split}/{image_id:012d}.png",
                "flickr_url": "",
                "license": 1,
                "date_captured": "2021-12-01 00:00:00",
                "neg_category_ids": sorted(int(self.ids[c]) for c in plan.negative),
                "not_exhaustive_category_ids": sorted(
                    int(self.ids[c]) for c in plan.not_exhaustive
                ),
            }
        )
        for (category, annotated), mask in zip(plan.drawn, masks, strict=True):
            self._add_object(image_id, int(self.ids[category]), annotated, mask, split == "train")
        return picture

    def _add_object(self, image_id, category_id, annotated, mask, polygons) -> None:
        number = 1_000_000 * (image_id // 100_000) + len(self.annotations) + 1
        # As in LVIS, training masks are polygons only.
        kind = None if polygons else ("compressed", "uncompressed")[number % 2]
        segmentation, area, bbox = encode(mask, kind)
        record = {"image_id": image_id, "category_id": category_id, "bbox": bbox, "area": area}
        self.drawn.append({**record, "annotation_id": number if annotated else None})
        if annotated:
            self.annotations.append({"id": number, **record, "segmentation": segmentation})

    def content(self, names: list[str], train_counts: list[int]) -> dict:
        """Return the content of the split's annotation file."""
        heads = self.spec.groups[2]
        categories = []
        for c in np.argsort(self.ids):
            mine = [a for a in self.annotations if a["category_id"] == self.ids[c]]
            look = self.shapes[c].describe()
            kin = f", easily taken for a {names[c % heads]}" if c >= heads else ""
            categories.append(
                {
                    "id": int(self.ids[c]),
                    "name": names[c],
                    "synset": f"{names[c]}.n.01",
                    "synonyms": [names[c]],
                    "def": look + kin,
                    "frequency": frequency_of(train_counts[c], self.spec.edges),
                    "image_count": len({a["image_id"] for a in mine}),
                    "instance_count": len(mine),
                }
            )
        return {
            "info": {
                "description": "mini-LVIS, synthetic",
                "version": "v1",
                "year": 2021,
                "contributor": "seesaw",
                "url": "",
                "date_created": "2021-12-01",
            },
            "licenses": [
                {
                    "id": 1,
                    "name": "CC0 1.0",
                    "url": "https://creativecommons.org/publicdomain/zero/1.0/",
                }
            ],
            "categories": categories,
            "images": self.images,
            "annotations": self.annotations,
        }


def _image_info(content: dict) -> dict:
    """Reduce content to what LVIS publishes of test-dev: images and categories only."""
    hidden = ("neg_category_ids", "not_exhaustive_category_ids")
    images = [{k: v for k, v in im.items() if k not in hidden} for im in content["images"]]
    categories = [{**c, "image_count": 0, "instance_count": 0} for c in content["categories"]]
    return {**content, "categories": categories, "images": images, "annotations": []}


def _names(spec: MiniLvisSpec) -> list[str]:
    """Return pronounceable names; kin share a stem: ``talmo``, ``talmina``, ``talmux``."""
    rng, heads = np.random.default_rng(spec.seed), spec.groups[2]
    stems: list[str] = []
    while len(stems) < heads:
        a, b = rng.choice(list("bdfgklmnprstvz"), 2)
        stem = a + rng.choice(list("aeiou")) + rng.choice(list("lmnr")) + b
        if stem not in stems:
            stems.append(stem)
    endings = ["o", "ina", "ux", "ade", "ello"]
    endings += [f"{e}{f}" for e in ("on", "ar", "is", "um", "et") for f in endings]
    return [stems[j % heads] + endings[j // heads] for j in range(spec.categories)]


def _dump(path: Path, content: object) -> None:
    path.write_bytes(orjson.dumps(content) + b"\n")
