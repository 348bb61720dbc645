"""Generated LVIS annotations and detections with every awkward case that evaluation meets."""

import json
from pathlib import Path

import numpy as np
import orjson
from pycocotools import mask as mask_api

from seesaw.data import rle


def rle_of(mask: np.ndarray) -> str:
    return mask_api.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"].decode()


def blob(rng, height: int, width: int) -> np.ndarray:
    """A random ellipse, sometimes tiny, sometimes leaving the image."""
    y, x = np.mgrid[:height, :width]
    cy, cx = rng.uniform(0, height), rng.uniform(0, width)
    ry, rx = np.exp(rng.uniform(0, np.log(height * 0.7), 2))
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


def box_of(mask: np.ndarray) -> list[float]:
    return mask_api.toBbox({"size": list(mask.shape), "counts": rle_of(mask)}).tolist()


def polygons(rng, height: int, width: int) -> list[list[float]]:
    """One or two polygons of five to nine corners, as LVIS annotates objects in parts."""
    parts = []
    for _ in range(rng.integers(1, 3)):
        turn = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 10)))
        center, radius = rng.uniform(0.2, 0.8, 2) * (width, height), rng.uniform(4, 60)
        corners = center + radius * np.stack([np.cos(turn), np.sin(turn)], -1)
        parts.append(np.clip(corners, 0, (width, height)).round(2).ravel().tolist())
    return parts


def dataset(seed: int, images: int = 12, categories: int = 9) -> dict:
    """LVIS-format annotations: the last category occurs nowhere, some images are empty.

    Polygons, compressed and uncompressed RLE; negatives, not-exhaustive categories, some of them
    neither positive nor negative; annotations of zero area; ids out of order.
    """
    rng = np.random.default_rng(seed)
    data = {"images": [], "annotations": []}
    data["categories"] = [
        {"id": c + 1, "name": f"c{c}", "frequency": "rcf"[c % 3]} for c in range(categories)
    ]
    for image_id in rng.permutation(np.arange(1, 3 * images, 3)).tolist():
        height, width = rng.integers(100, 180, 2).tolist()
        lists = {
            name: (rng.permutation(categories)[: rng.integers(0, 4)] + 1).tolist()
            for name in ("neg_category_ids", "not_exhaustive_category_ids")
        }
        data["images"].append({"id": image_id, "height": height, "width": width} | lists)
        for _ in range(max(0, rng.integers(-3, 7))):
            kind = rng.integers(3)
            if kind == 0:
                segmentation = polygons(rng, height, width)
                mask = mask_api.decode(
                    mask_api.merge(mask_api.frPyObjects(segmentation, height, width))
                ).astype(bool)
            else:
                mask = blob(rng, height, width)
                segmentation = {"size": [height, width], "counts": rle_of(mask)}
            if kind == 1:
                edges = np.flatnonzero(np.diff(mask.ravel("F"), prepend=False, append=False))
                runs = np.diff(edges, prepend=0, append=mask.size)
                segmentation = {"size": [height, width], "counts": runs.tolist()}
            data["annotations"].append(
                {
                    "id": len(data["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": int(rng.integers(1, categories)),
                    "segmentation": segmentation,
                    "bbox": box_of(mask),
                    "area": float(mask.sum()) if rng.random() > 0.05 else 0.0,
                }
            )
    return data


def masks_of(data: dict) -> dict[int, list[tuple[int, np.ndarray]]]:
    """Image id → (category id, mask) of its annotations."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    found = {image_id: [] for image_id in sorted(sizes)}
    for annotation in data["annotations"]:
        segmentation, size = annotation["segmentation"], sizes[annotation["image_id"]]
        if isinstance(segmentation, list):
            segmentation = mask_api.merge(mask_api.frPyObjects(segmentation, *size))
        elif isinstance(segmentation["counts"], list):
            segmentation = mask_api.frPyObjects(segmentation, *size)
        mask = mask_api.decode(segmentation).astype(bool)
        found[annotation["image_id"]].append((annotation["category_id"], mask))
    return found


def detections(data: dict, seed: int, most: int = 40, apart: bool = False) -> list[dict]:
    """Lines of a detections file: shifted annotations and noise, many scores tied.

    Every third image has more than 300, every fifth none; some masks and boxes are empty.
    """
    rng = np.random.default_rng(seed)
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    lines = []
    for index, (image_id, annotated) in enumerate(masks_of(data).items()):
        height, width = sizes[image_id]
        count = 0 if index % 5 == 4 else 330 if index % 3 == 0 else int(rng.integers(most))
        line = {"image_id": image_id, "height": height, "width": width}
        line |= {"category_ids": [], "scores": [], "bboxes": [], "counts": []}
        for _ in range(count):
            category = int(rng.integers(1, len(data["categories"]) + 1))
            mask = blob(rng, height, width)
            if annotated and rng.random() < 0.4:
                category, mask = annotated[rng.integers(len(annotated))]
                mask = np.roll(mask, rng.integers(-4, 5, 2), (0, 1))
            if rng.random() < 0.03:
                mask = np.zeros_like(mask)
            box = box_of(mask)
            if rng.random() < 0.05:
                box[2] = 0.0
            line["category_ids"].append(category)
            line["bboxes"].append(box)
            line["counts"].append(rle_of(mask))
        line["scores"] = np.sort(rng.uniform(size=count).round(2))[::-1].tolist()
        if apart:
            line["mask_scores"] = rng.uniform(size=count).round(2).tolist()
        lines.append(line)
    return lines


def misnamed(data: dict, lines: list[dict], seed: int, share: float = 0.3) -> list[dict]:
    """Give a share of detections any category, and all of them distinct scores."""
    rng = np.random.default_rng(seed)
    for line in lines:
        count = len(line["scores"])
        other = rng.integers(1, len(data["categories"]) + 1, count)
        wrong = rng.random(count) < share
        line["category_ids"] = np.where(wrong, other, line["category_ids"]).astype(int).tolist()
        for name in [name for name in ("scores", "mask_scores") if name in line]:
            line[name] = np.sort(rng.uniform(size=count))[::-1].tolist()
    return lines


def random_detections(data: dict, count: int, seed: int = 0) -> list[dict]:
    """Lines with ``count`` random ellipses an image; every second category is one annotated."""
    rng = np.random.default_rng(seed)
    annotated = {image_id: [c for c, _ in a] for image_id, a in masks_of(data).items()}
    categories = [category["id"] for category in data["categories"]]
    lines = []
    for image in sorted(data["images"], key=lambda image: image["id"]):
        height, width = image["height"], image["width"]
        line = {"image_id": image["id"], "height": height, "width": width}
        own = annotated[image["id"]] or categories
        line["category_ids"] = [int(rng.choice(own if k % 2 else categories)) for k in range(count)]
        size = rng.integers(4, 60, (count, 2))
        corner = rng.integers(0, (height - 60, width - 60), (count, 2))
        line["scores"] = np.sort(rng.uniform(size=count))[::-1].tolist()
        line["bboxes"] = np.concatenate([corner[:, ::-1], size[:, ::-1]], 1).astype(float).tolist()
        line["counts"] = []
        for (y, x), (h, w) in zip(corner.tolist(), size.tolist(), strict=True):
            v, u = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
            line["counts"].append(rle.encode_crop(u**2 + v**2 <= 1, x, y, height, width))
        lines.append(line)
    return lines


def image(n: int, seed: int = 0, size=(20, 30)) -> dict:
    """What a detector gives for an image: n boxes with noise for masks, many scores tied."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 10, (n, 2)).astype(np.float32)
    return {
        "height": size[0],
        "width": size[1],
        "boxes": np.concatenate([corner, corner + 5], 1),
        "scores": rng.integers(0, 50, n).astype(np.float32) / 50,
        "labels": rng.integers(0, 9, n),
        "masks": rng.random((n, *size)) < 0.5,
    }


def save(folder: Path, data: dict, lines: list[dict]) -> tuple[Path, Path]:
    """Write annotations and detections without the writer's checks; gives both paths."""
    annotations, found = folder / "annotations.json", folder / "detections.jsonl"
    annotations.write_text(json.dumps(data))
    found.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return annotations, found
