"""InstaBoost for current NumPy versions, polygons and run lengths (supplementary, Sec. 4.2)."""

from __future__ import annotations

import logging
import math
import random
from types import SimpleNamespace

import cv2
import numpy as np
from mmdet.datasets.transforms import InstaBoost
from mmdet.registry import TRANSFORMS
from mmengine.logging import print_log
from PIL import Image, ImageEnhance
from pycocotools import mask as coco_mask
from scipy.sparse.csgraph import connected_components

from seesaw.data.segments import to_rle
from seesaw.errors import UserError

_BORDER = 10  # px; the package never moves an object inwards from a border this close


@TRANSFORMS.register_module()
class SafeInstaBoost(InstaBoost):
    """mmdet's ``InstaBoost`` (instaboostfast) without its defects.

    With probability ``aug_ratio``, it cuts out the objects, inpaints the picture behind them, and
    pastes each group of overlapping objects back, scaled, shifted and rotated. Its place is between
    ``LoadImageFromFile`` and ``LoadAnnotations(poly2mask=True)``.

    It deviates from upstream, each time because of a defect there:

    - Masks are passed and returned as uncompressed run lengths. The package raises TypeError
      on compressed ones, and, from NumPy 1.24, on any image in which a mask has several outlines
      (waspinator/pycococreator#47). Its polygons are also half a pixel off.
    - After ValueError, IndexError and RecursionError (grouping recurses over overlapping objects),
      or a result without any object (mmdet#4657, mmdet#2082), the sample stays unchanged. The first
      error is logged.
    - A sample that is not augmented stays unchanged, while mmdet rebuilds its instances.
    - Boxes are clipped to the picture; the package drops an object whose box begins outside.

    Random numbers come from Python's and NumPy's global generators. Importing instaboostfast sets
    matplotlib's backend to Agg; mmdet's constructor restores the former one.

    ``results['instaboost']`` is ``'none'`` (not drawn), ``'identity'`` (failed) or ``engine``.

    Args:
        action_prob: probabilities of (normal, horizontal flip, skip). Flips must be 0: the package
            mirrors the pixels but not run lengths, and ``RandomFlip`` follows.
        scale: (lowest, highest) factor.
        dx: the largest shift in x is the group's width / dx.
        dy: the same in y.
        theta: (lowest, highest) rotation in whole degrees.
        color_prob: probability of a random change of colours of the augmented picture.
        hflag: paste where the appearance heatmap is high, instead of the random shift.
        aug_ratio: probability of augmenting a sample.
        fallback: whether to use ``opencv_jitter``, and log it, if instaboostfast is missing.

    Attributes:
        engine: ``'instaboostfast'`` or ``'opencv'`` (the fallback).

    Raises:
        UserError: instaboostfast is missing, or a parameter or the place in the pipeline is wrong.
    """

    def __init__(
        self,
        action_prob: tuple = (1, 0, 0),
        scale: tuple = (0.8, 1.2),
        dx: int = 15,
        dy: int = 15,
        theta: tuple = (-1, 1),
        color_prob: float = 0.5,
        hflag: bool = False,
        aug_ratio: float = 0.5,
        fallback: bool = False,
    ) -> None:
        if len(action_prob) != 3 or action_prob[1] or not math.isclose(sum(action_prob), 1):
            raise UserError(
                f"SafeInstaBoost: action_prob={tuple(action_prob)} must be (p, 0, 1 - p): "
                "leave flips to RandomFlip."
            )
        self._warned = False
        try:
            super().__init__(
                action_prob=action_prob,
                scale=scale,
                dx=dx,
                dy=dy,
                theta=theta,
                color_prob=color_prob,
                hflag=hflag,
                aug_ratio=aug_ratio,
            )
            from instaboostfast import get_new_data

            self.engine, self._paste = "instaboostfast", get_new_data
        except ImportError as error:
            if not fallback or hflag:
                raise UserError(
                    "SafeInstaBoost: the package instaboostfast cannot be imported: run `pip "
                    "install instaboostfast`, or set fallback=True (and hflag=False) for a jitter "
                    "made with OpenCV, which is not the paper's augmentation."
                ) from error
            self.aug_ratio = aug_ratio
            self.cfg = SimpleNamespace(
                skip=action_prob[2], scale=scale, dx=dx, dy=dy, theta=theta, color_prob=color_prob
            )
            self.engine, self._paste = "opencv", opencv_jitter
            _warn("instaboostfast is missing, OpenCV jitter replaces it.")

    def _load_anns(self, results: dict) -> tuple[list, list]:
        anns, ignored = super()._load_anns(results)
        height, width = results["img"].shape[:2]
        for ann in anns:
            ann["segmentation"] = _run_lengths(ann["segmentation"], height, width)
            # the package cuts by slices, in which a negative border counts from the other end
            x, y, w, h = ann["bbox"]
            if min(x, y) < 0 or x + w > width or y + h > height:
                x0, x1 = np.clip([x, x + w], 0, width).tolist()
                y0, y1 = np.clip([y, y + h], 0, height).tolist()
                ann["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        return anns, ignored

    def transform(self, results: dict) -> dict:
        """Replace both ``img`` (H, W, 3), uint8, BGR, and ``instances``, or neither of them."""
        if "img" not in results or "gt_bboxes" in results or "gt_masks" in results:
            raise UserError(
                "SafeInstaBoost: wrong place in train_pipeline: move it between LoadImageFromFile "
                "and LoadAnnotations."
            )
        results["instaboost"] = "none"
        if not results.get("instances") or np.random.random() >= self.aug_ratio:
            return results
        anns, ignored = self._load_anns(results)
        if not anns:
            return results
        try:
            anns, img = self._paste(anns, results["img"].astype(np.uint8), self.cfg)
        except (ValueError, IndexError, RecursionError) as error:
            if not self._warned:
                _warn(f"a sample stays as it was ({type(error).__name__}: {error}).")
            self._warned = True
            return {**results, "instaboost": "identity"}
        new = self._parse_anns({}, anns, ignored, img.astype(results["img"].dtype))
        if len(new["instances"]) == len(ignored):
            return {**results, "instaboost": "identity"}
        return {**results, **new, "instaboost": self.engine}


def opencv_jitter(anns: list[dict], img: np.ndarray, cfg) -> tuple[list[dict], np.ndarray]:
    """Replace instaboostfast's ``get_new_data``: the same jitter, other interpolation.

    Groups of objects whose boxes overlap move together; a group within 10 px of the border is not
    moved (the package would still let it grow or move outwards).

    Args:
        anns: ``segmentation`` in uncompressed run lengths, ``bbox`` [x, y, w, h] in px.
        img: (H, W, 3), uint8, BGR.
        cfg: ``skip``, ``scale``, ``dx``, ``dy``, ``theta``, ``color_prob`` of SafeInstaBoost.

    Returns:
        The annotations, ordered by group, with compressed run lengths; and the new picture.
    """
    height, width = img.shape[:2]
    masks = [coco_mask.decode(to_rle(a["segmentation"], height, width)) for a in anns]
    canvas = cv2.inpaint(img, np.maximum.reduce(masks), 5, cv2.INPAINT_NS)
    boxes = np.array([a["bbox"] for a in anns], float)
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    overlap = ((low[:, None] < high) & (low < high[:, None])).all(axis=2)
    groups, group_of = connected_components(overlap)
    moved = []
    for group in range(groups):
        members = np.flatnonzero(group_of == group)
        move = _random_move(low[members].min(0), high[members].max(0), (width, height), cfg)
        whole = np.maximum.reduce([masks[i] for i in members])
        inside = cv2.warpAffine(whole, move, (width, height), flags=cv2.INTER_NEAREST)
        pixels = cv2.warpAffine(img, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        canvas = np.where(inside[..., None] > 0, pixels, canvas)
        for i in members:
            mask = cv2.warpAffine(masks[i], move, (width, height), flags=cv2.INTER_NEAREST)
            code = coco_mask.encode(np.asfortranarray(mask))
            segmentation = {"size": [height, width], "counts": code["counts"].decode()}
            bbox = coco_mask.toBbox(code).tolist()
            moved.append({**anns[i], "segmentation": segmentation, "bbox": bbox})
    if np.random.random() < cfg.color_prob:
        canvas = _random_colors(canvas)
    return moved, canvas


def _random_move(low, high, size, cfg) -> np.ndarray:
    """Draw a similarity (2, 3) about the centre of the box ``low`` to ``high``, (x, y) in px."""
    (width, height), (x, y) = high - low, (low + high) / 2
    scale, angle = random.uniform(*cfg.scale), random.randint(*cfg.theta)
    shift_x, shift_y = int(width // cfg.dx), int(height // cfg.dy)
    shift = random.randint(-shift_x, shift_x), random.randint(-shift_y, shift_y)
    at_border = (low < _BORDER).any() or (high > np.array(size) - _BORDER).any()
    if at_border or random.random() < cfg.skip:
        return np.eye(2, 3)
    move = cv2.getRotationMatrix2D((x - 0.5, y - 0.5), angle, scale)  # uses pixel centres
    move[:, 2] += shift
    return move


def _random_colors(img: np.ndarray) -> np.ndarray:
    """Scale saturation and sharpness by 0..3, brightness and contrast by 1..2, as upstream."""
    picture = Image.fromarray(cv2.cvtColor(img, cv2.COLOR_BGR2RGB))
    for change, low, high in (
        (ImageEnhance.Color, 0, 30),
        (ImageEnhance.Brightness, 10, 20),
        (ImageEnhance.Contrast, 10, 20),
        (ImageEnhance.Sharpness, 0, 30),
    ):
        picture = change(picture).enhance(np.random.randint(low, high + 1) / 10)
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)


def _run_lengths(segmentation: list | dict, height: int, width: int) -> dict:
    """Convert any COCO segmentation to uncompressed run lengths of the same pixels."""
    flat = coco_mask.decode(to_rle(segmentation, height, width)).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=0))
    counts = np.diff(edges, prepend=0, append=flat.size)
    return {"size": [height, width], "counts": counts.tolist()}


def _warn(message: str) -> None:
    print_log(f"SafeInstaBoost: {message}", logger="current", level=logging.WARNING)
