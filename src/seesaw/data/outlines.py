"""Take from an annotation's outline what the outline determines: its box and its area."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from seesaw.data.format import outline_of
from seesaw.data.segments import to_rle


def measure(annotation: dict, code: str, height: int, width: int) -> str | None:
    """Take an annotation's box or area from its outline, which is clipped if it reaches far.

    Args:
        annotation: The record, which is changed.
        code: The fault to mend: ``bbox``, ``area`` or ``far``.
        height: Pixels of the image.
        width: Pixels of the image.

    Returns:
        What was done, or None if the outline cannot be measured.
    """
    outlines = annotation.get("segmentation")
    if code == "far":
        outlines = [_clip(polygon, height, width) for polygon in outlines]  # type: ignore[union-attr]
        outlines = [polygon for polygon in outlines if len(polygon) >= 6]
    fault, bounds = outline_of(outlines)
    if fault or bounds is None or max(map(abs, bounds[:4])) > 4 * max(height, width):
        return None
    if isinstance(outlines, dict) and outlines["size"] != [height, width]:
        return None
    annotation["segmentation"] = outlines
    if code in ("area", "far"):
        annotation["area"] = float(coco_mask.area(to_rle(outlines, height, width)))  # type: ignore[arg-type]
    if code in ("bbox", "far"):
        x0, x1 = np.clip([bounds.left, bounds.right], 0, width).tolist()
        y0, y1 = np.clip([bounds.top, bounds.bottom], 0, height).tolist()
        annotation["bbox"] = [x0, y0, x1 - x0, y1 - y0]
    return {"far": "outlines clipped"}.get(code, f"{code} measured from the outline")


def _clip(polygon: list[float], height: int, width: int) -> list[float]:
    """Return the part of a polygon inside its image (Sutherland and Hodgman, 1974)."""
    points = list(zip(polygon[::2], polygon[1::2], strict=True))
    for axis, sign, bound in ((0, 1, 0), (0, -1, -width), (1, 1, 0), (1, -1, -height)):
        kept = []
        for a, b in zip(points[-1:] + points[:-1], points, strict=True):
            u, v = sign * a[axis] - bound, sign * b[axis] - bound
            if (u < 0) != (v < 0):
                kept.append(tuple(p + (q - p) * u / (u - v) for p, q in zip(a, b, strict=True)))
            if v >= 0:
                kept.append(b)
        points = kept
    return [float(value) for point in points for value in point]
