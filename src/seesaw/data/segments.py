"""Convert a pixel mask to an LVIS ``segmentation`` and back."""

import cv2
import numpy as np
from pycocotools import mask as coco_mask

_SPECK = 6.0  # parts and holes below this many pixels are dropped
_TOLERANCE = 0.45  # largest distance, in pixels, of a simplified outline from the pixel edges


def encode(mask: np.ndarray, rle: str | None = None) -> tuple[list | dict, float, list[float]]:
    """Encode the visible part of an object.

    LVIS v1 stores polygons, one per connected part; a bridge of zero width connects a hole to its
    outline. COCO run lengths can also represent an object with holes.

    Args:
        mask: Visible pixels, shape (H, W), bool, not empty.
        rle: Format of an object with holes: None for polygons, else "compressed" or
            "uncompressed" run lengths.

    Returns:
        The segmentation, and the area and tight box [x, y, w, h] of exactly what it decodes to.
    """
    parts, holes = _outlines(mask)
    if rle and any(holes):
        segmentation = _run_lengths(mask, rle)
    else:
        rings = [_bridge(part, inner) for part, inner in zip(parts, holes, strict=True)]
        segmentation = [ring.reshape(-1).tolist() for ring in rings]
    code = to_rle(segmentation, *mask.shape)
    return segmentation, float(coco_mask.area(code)), coco_mask.toBbox(code).tolist()


def to_rle(segmentation: list | dict, height: int, width: int) -> dict:
    """Convert polygons, uncompressed or compressed run lengths to compressed COCO run lengths."""
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation


def _outlines(mask: np.ndarray) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Return outer outlines (P, 2) in pixel-edge coordinates and the holes of each.

    OpenCV traces pixel centres. On a doubled grid, whose even points are pixel edges, a dilated
    mask has its outline on the edges, so the polygons decode to exactly the original pixels.
    """
    grid = np.zeros((2 * mask.shape[0] + 1, 2 * mask.shape[1] + 1), np.uint8)
    grid[1::2, 1::2] = mask
    grid = cv2.dilate(grid, np.ones((3, 3), np.uint8))
    contours, tree = cv2.findContours(grid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    big = [i for i, c in enumerate(contours) if cv2.contourArea(c) >= 4 * _SPECK]
    smooth = {i: cv2.approxPolyDP(contours[i], 2 * _TOLERANCE, True)[:, 0] / 2 for i in big}
    outer = [i for i in big if tree[0, i, 3] < 0 and len(smooth[i]) >= 3]
    inner = [[smooth[j] for j in big if tree[0, j, 3] == i and len(smooth[j]) >= 3] for i in outer]
    return [smooth[i] for i in outer], inner


def _bridge(ring: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    """Return one ring (P, 2) that enters and leaves each hole along the shortest bridge."""
    for hole in holes:
        gap = np.linalg.norm(ring[:, None] - hole[None], axis=2)
        i, j = np.unravel_index(gap.argmin(), gap.shape)
        ring = np.concatenate([ring[: i + 1], hole[j:], hole[: j + 1], ring[i:]])
    return ring


def _run_lengths(mask: np.ndarray, kind: str) -> dict:
    if kind == "compressed":
        code = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        return {"size": list(mask.shape), "counts": code["counts"].decode()}
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return {"size": list(mask.shape), "counts": counts[: None if counts[-1] else -1].tolist()}
