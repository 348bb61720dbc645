"""Pictures of what one evaluation finds and another misses: ground truth | A | B."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from pycocotools import mask as mask_api

from seesaw.core.borders import drawing, file_name, plain
from seesaw.data.segments import to_rle
from seesaw.errors import UserError
from seesaw.evaluation import detections
from seesaw.results.comparison.categories import Category, Comparison
from seesaw.spec.annotations import load_annotations, relative_path
from seesaw.spec.scales import Scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 2  # images per category


class _Shown(NamedTuple):
    box: list[float]  # [x, y, w, h]
    mask: np.ndarray  # (H, W) bool
    score: float | None  # None for an object


def draw(
    comparison: Comparison, top: int, scale: Scale, folder: Path, least: float = 0.0
) -> tuple[dict[Path, Category], str]:
    """Draw the first seed's detections on examples of the categories with the largest changes.

    A category's highest-scored detections over all images are shown, as many as it has objects.
    ``top`` gains and losses are drawn, of categories of which both evaluations show a detection
    with a score of at least ``least``.

    Returns:
        The pictures with their categories, and a sentence that names the missing files or is "".
    """
    categories = [c for c in comparison.largest(top) if c.examples]
    wanted = {c.id: c.examples[:ROWS] for c in categories}
    evaluations = [scale.table.evaluations[e] for e in (comparison.a, comparison.b)]
    files = [scale.detections(e, comparison.seeds[0]) for e in evaluations]
    annotations = scale.annotations("val")
    for path in (annotations, *files):
        if not path.is_file():
            return {}, f"No pictures: {path} is not here."
    images, truth = _truth(annotations, wanted)
    paths = {i: scale.entry.root / relative_path(image) for i, image in images.items()}
    for path in paths.values():
        if not path.is_file():
            return {}, f"No pictures: {path} is not here."
    objects = {c.id: c.objects for c in categories}
    columns = [truth, *(_top(path, comparison.kind, wanted, objects) for path in files)]
    titles = ["ground truth", comparison.a, comparison.b]
    made: dict[Path, Category] = {}
    for c in (c for c in categories if _surest(columns[1:], c.id, wanted[c.id]) >= least):
        path = folder / f"{c.id}_{file_name(c.name)}.png"
        made[path] = c
        rows = [(paths[i], [column[c.id, i] for column in columns]) for i in wanted[c.id]]
        path.parent.mkdir(parents=True, exist_ok=True)
        with drawing():
            ap = "box AP" if comparison.kind == "bbox" else "AP"
            figure = _picture(f"{c.shown} ({c.group}): {c.a:.1f} to {c.b:.1f} {ap}", titles, rows)
            figure.savefig(path, dpi=110, metadata={"Software": None})
    return made, ""


def _surest(columns: list[dict], category: int, images: list[int]) -> float:
    """Return the highest score that is shown, of the evaluation where it is lower."""
    shown = ([s.score for i in images for s in column[category, i]] for column in columns)
    return min(max(scores, default=0.0) for scores in shown)


def _truth(path: Path, wanted: dict[int, list[int]]) -> tuple[dict, dict]:
    """Read the wanted images by id, and the objects of each (category, image)."""
    data = load_annotations(path)
    needed = {i for ids in wanted.values() for i in ids}
    images = {image["id"]: image for image in data["images"] if image["id"] in needed}
    shown = defaultdict(list)
    for annotation in data["annotations"]:
        category, image = annotation["category_id"], annotation["image_id"]
        if image in wanted.get(category, ()):
            size = images[image]["height"], images[image]["width"]
            mask = mask_of(annotation["segmentation"], *size)
            shown[category, image].append(_Shown(annotation["bbox"], mask, None))
    return images, shown


def mask_of(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """Decode polygons or run lengths, of an annotation or a detection: (H, W) bool."""
    return mask_api.decode(to_rle(segmentation, height, width)).astype(bool)


def _top(path: Path, kind: str, wanted: dict[int, list[int]], objects: dict[int, int]) -> dict:
    """Read each (category, image)'s detections above the category's threshold on the score."""
    scores, near = defaultdict(list), defaultdict(list)
    for image in detections.read(path):
        ranked = image.mask_scores if kind == "segm" else image.scores
        for n in np.flatnonzero(np.isin(image.category_ids, list(wanted))):
            category, score = int(image.category_ids[n]), float(ranked[n])
            scores[category].append(score)
            if image.image_id in wanted[category]:
                size = image.height, image.width
                mask = mask_of({"size": size, "counts": image.counts[n]}, *size)
                shown = _Shown(image.boxes[n].tolist(), mask, score)
                near[category, image.image_id].append((score, shown))
    least = {c: sorted(found)[-objects[c] :][0] for c, found in scores.items()}
    kept = defaultdict(list)
    for (category, image_id), found in near.items():
        kept[category, image_id] = [s for score, s in found if score >= least[category]]
    return kept


def _picture(title: str, titles: list[str], rows: list) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(3 * len(titles), 0.5 + 3 * len(rows)), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axis, heading in zip(grid[0], titles, strict=True):
        axis.set_title(heading, fontsize=8)
    for axes, (image_path, cells) in zip(grid, rows, strict=True):
        # as models see it: turned by its EXIF orientation
        pixels = cv2.imread(str(image_path), cv2.IMREAD_COLOR)
        masks = [shown.mask for cell in cells for shown in cell]
        if pixels is None or any(mask.shape != pixels.shape[:2] for mask in masks):
            raise UserError(f"{image_path} is not the annotated image; get the image again.")
        pixels = pixels[..., ::-1]
        axes[0].set_ylabel(plain(image_path.name), fontsize=7)
        for axis, cell in zip(axes, cells, strict=True):
            painted = _painted(pixels, [shown.mask for shown in cell])
            axis.imshow(painted, extent=(0, pixels.shape[1], pixels.shape[0], 0))
            axis.set(xticks=[], yticks=[])
            for shown in cell:
                left, top, width, height = shown.box
                axis.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor="white"))
                # The label lies towards the middle of the image, whose borders would cut it.
                right, low = left + width / 2 > pixels.shape[1] / 2, top > pixels.shape[0] / 2
                axis.text(
                    left + width if right else left,
                    top,
                    "" if shown.score is None else f"{shown.score:.2f}",
                    ha="right" if right else "left",
                    va="bottom" if low else "top",
                    fontsize=7,
                    color="black",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                )
    return figure


def _painted(pixels: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Return the image in grey with the pixels of each mask in its own colour."""
    grey = np.repeat(pixels.mean(2, keepdims=True), 3, 2) * 0.5 + 110
    shown = np.any(masks, axis=0)[..., None] if masks else np.False_
    return np.where(shown, pixels, grey).astype(np.uint8)
