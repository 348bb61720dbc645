"""What a W&B run shows beside its curves: example images, precision and recall, row and weights."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from seesaw.core.borders import plain
from seesaw.core.records import provenance_path, record_of
from seesaw.errors import UserError
from seesaw.evaluation import detections, resample
from seesaw.evaluation.ground_truth import GROUPS
from seesaw.evaluation.matcher import RECALL_THRESHOLDS
from seesaw.evaluation.precision_recall import curves
from seesaw.results.comparison.pictures import mask_of
from seesaw.spec.annotations import load_annotations, relative_path
from seesaw.spec.experiments import Evaluation
from seesaw.spec.scales import Scale
from seesaw.training import run_log
from seesaw.training.mirror import replay, warn

EACH = 3  # example images of each frequency group
MOST = 255  # categories, since W&B stores a mask's classes in 8 bits
LEAST = 0.3  # score of the detections that are shown
UPLOAD = 24 * 3600.0  # s, for weights


def send(log: Path, mode: str, scale: Scale, seed: int, weights: bool = False) -> bool:
    """Send a training's complete run log and what is known of its evaluations; False if it failed.

    With ``weights`` these are sent, too, not only their record. ``mode`` is off, offline or online.
    """
    try:
        with TemporaryDirectory() as folder:
            extras = Path(folder) / "extras.json"
            extras.write_text(json.dumps(_extras(log, scale, seed, weights, Path(folder))))
            return replay(log, mode, extras, *([UPLOAD] if weights else []))
    except (OSError, UserError) as error:  # nothing that is for W&B alone may end a job
        warn(str(error))
        return False


def _extras(log: Path, scale: Scale, seed: int, weights: bool, folder: Path) -> dict[str, Any]:
    read = run_log.read(log)
    if "name" not in read.header:
        raise UserError(f"{log} lacks its first line, which names the training")
    found: dict[str, Any] = {"summary": {}, "pictures": {}, "curves": {}}
    found |= {"seconds": UPLOAD} if weights else {}
    for line in read.evaluations:
        evaluation = scale.table.evaluations.get(line["evaluation"])
        if evaluation is None:
            continue
        own = "val" if evaluation.id == read.header["name"] else evaluation.id
        at = [cell for cell in scale.table.cells if cell.evaluation == evaluation.id]
        if cells := [f"{cell.place}: {cell.label}" for cell in at]:
            found["summary"][f"{own}/cells"] = cells
        if scale.matches(evaluation, seed).is_file():
            ranking = resample.load(scale.matches(evaluation, seed))["segm"]
            found["curves"][f"{own}/precision_recall"] = {
                "title": "Precision of masks at IoU 0.5",
                "name": "recall",
                "x": RECALL_THRESHOLDS.tolist(),
                "lines": {name: line.tolist() for name, line in curves(ranking).items()},
            }
        if scale.detections(evaluation, seed).is_file() and scale.annotations("val").is_file():
            found["pictures"][f"{own}/examples"] = _pictures(evaluation, scale, seed, folder)
    model = log.with_name(scale.model(read.header["name"], seed).name)
    if record := record_of(model):
        files = [provenance_path(model), *([model] if weights else [])]
        found["model"] = {"files": list(map(str, files)), "metadata": _lineage(record)}
    return found


def _lineage(record: dict) -> dict:
    """Return what weights are and were made of, as paths and hashes.

    Weights of another training are named by their artifact, too, if they are still those.
    """
    named = ("fingerprint", "config_hash", "seed", "git")
    inputs = {n: {k: i[k] for k in ("path", "sha256")} for n, i in record["inputs"].items()}
    for used in inputs.values():
        parent = Path(used["path"])
        there = (record_of(parent) or {}).get("artefact", {})
        if there.get("sha256") == used["sha256"]:
            header = run_log.read(parent.with_name(run_log.NAME)).header
            used |= {"artifact": header["id"]} if "id" in header else {}
    return {"sha256": record["artefact"]["sha256"], "made_from": inputs} | {
        key: record[key] for key in named if key in record
    }


def _pictures(evaluation: Evaluation, scale: Scale, seed: int, folder: Path) -> dict[str, list]:
    """Return the same images for all evaluations, with objects and detections above a score.

    For each frequency group they are the first ones, by id, that show an object of it. Of more than
    `MOST` categories, those that these images show most often are drawn.
    """
    data = load_annotations(scale.annotations("val"))
    group = {c["id"]: c["frequency"] for c in data["categories"]}
    names = {c["id"]: plain(c["name"]) for c in data["categories"]}
    showing: dict[str, set[int]] = {g: set() for g in GROUPS}
    for annotation in data["annotations"]:
        showing[group[annotation["category_id"]]].add(annotation["image_id"])
    chosen: set[int] = set()
    for g in GROUPS:
        chosen.update(sorted(showing[g] - chosen)[:EACH])
    images = {i["id"]: i for i in data["images"] if i["id"] in chosen}
    shown: dict[int, dict[str, list]] = {i: {"objects": [], "detections": []} for i in images}
    for annotation in data["annotations"]:
        if image := images.get(annotation["image_id"]):
            mask = mask_of(annotation["segmentation"], image["height"], image["width"])
            item = (None, annotation["category_id"], annotation["bbox"], mask)
            shown[image["id"]]["objects"].append(item)
    sizes = {i["id"]: (i["height"], i["width"]) for i in data["images"]}
    for found in detections.read(scale.detections(evaluation, seed), sizes, list(names)):
        if found.image_id not in images:
            continue
        size = found.height, found.width
        for n in np.flatnonzero(found.mask_scores >= LEAST):
            mask = mask_of({"size": size, "counts": found.counts[n]}, *size)
            item = (float(found.mask_scores[n]), int(found.category_ids[n]), found.boxes[n], mask)
            shown[found.image_id]["detections"].append(item)
    every = (item for parts in shown.values() for items in parts.values() for item in items)
    often = Counter(category for _, category, _, _ in every).most_common(MOST)
    used = sorted(category for category, _ in often)
    classes = {category: n for n, category in enumerate(used, start=1)}
    labels = ["background", *(f"{names[c]} ({group[c]})" for c in used)]
    pictures = []
    for i, image in sorted(images.items()):
        path = scale.entry.root / relative_path(image)
        if path.is_file():
            picture: dict[str, Any] = {"data_or_path": str(path), "caption": f"image {i}"}
            picture |= {"boxes": {}, "masks": {}}
            for name, all_items in shown[i].items():
                items = [item for item in all_items if item[1] in classes]
                mask = folder / f"{evaluation.id}-{i}-{name}.png"
                picture["boxes"][name] = _boxes(items, classes, labels)
                picture["masks"][name] = _masks(items, image, classes, mask)
            pictures.append(picture)
    return {"labels": labels, "images": pictures}


def _boxes(items: list, classes: dict[int, int], labels: list[str]) -> dict[str, list]:
    boxes = []
    for score, category, (x, y, w, h), _ in items:
        corners = {"minX": x, "minY": y, "maxX": x + w, "maxY": y + h}
        box: dict[str, Any] = {
            "position": {name: float(v) for name, v in corners.items()},
            "domain": "pixel",
            "class_id": classes[category],
            "box_caption": labels[classes[category]],
        }
        boxes.append(box | ({} if score is None else {"scores": {"score": score}}))
    return {"box_data": boxes}


def _masks(items: list, image: dict, classes: dict[int, int], path: Path) -> dict[str, str]:
    """Write an image whose pixels are classes, of the highest score where masks overlap."""
    from PIL import Image

    painted = np.zeros((image["height"], image["width"]), np.uint8)
    for _, category, _, mask in sorted(items, key=lambda item: item[0] or 0):
        painted[mask] = classes[category]
    Image.fromarray(painted).save(path)
    return {"path": str(path)}
