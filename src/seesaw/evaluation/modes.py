"""Three modes of post-processing from scores and mask features to RLE, for Table A2's column fps.

``ours``: one class per mask, lazy NMS (`lazy_multiclass_nms`), and RLE from the box's crop.
``mmdet``: mmdet 3's own heads: masks of all classes, its ``multiclass_nms``, full-size masks,
``pycocotools``. (Its HTC averages no masks, mmdet#10210, but computes those of every stage.)
``old``: as in mmdet 1 and 2, which the paper used: if several mask heads are averaged, the masks
of all classes are copied to the host and averaged there by numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from mmdet.models.roi_heads import cascade_roi_head, htc_roi_head
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.models.task_modules.samplers import RandomSampler
from mmdet.structures.mask import encode_mask_results
from torch import Tensor, nn

from seesaw.evaluation.paste import rle_masks
from seesaw.evaluation.timing import PartTimer

MODES = ("old", "mmdet", "ours")
# This project's modules -> those of mmdet with the same weights.
_DENSE: dict[str, Any] = {
    "LazyNMSShared2FCBBoxHead": "Shared2FCBBoxHead",
    "LazyNMSConvFCBBoxHead": "ConvFCBBoxHead",
    "ClassIndexedFCNMaskHead": "FCNMaskHead",
    "ClassIndexedHTCMaskHead": "HTCMaskHead",
    "ClassIndexedStandardRoIHead": "StandardRoIHead",
    "ClassIndexedCascadeRoIHead": "CascadeRoIHead",
    "SingleRoIExtractor": SingleRoIExtractor,  # ours are registered under their names
    "RandomSampler": RandomSampler,
}
_SHIPPED = _DENSE | {"HTCRoIHeadFixed": "HybridTaskCascadeRoIHead"}
_TYPES = {"old": _DENSE, "mmdet": _SHIPPED, "ours": {}}


def in_mode(config: Any, mode: str) -> Any:
    """Return a copy of a model's config with the heads of a mode; weights fit all modes."""
    if isinstance(config, Mapping):
        config = {key: in_mode(value, mode) for key, value in config.items()}
        kind = config.get("type")
        if isinstance(kind, str) and kind in _TYPES[mode]:
            config["type"] = _TYPES[mode][kind]
            for ours in ("mask_stages", "predictor_rate"):  # mmdet's heads have no such options
                config.pop(ours, None)
        return config
    if isinstance(config, list | tuple):
        return type(config)(in_mode(item, mode) for item in config)
    return config


@contextmanager
def running(model: nn.Module, mode: str) -> Iterator[None]:
    """Make a model of `in_mode` run as in its mode inside the block."""
    if mode == "old":
        with _replaced(cascade_roi_head), _replaced(htc_roi_head):
            yield
    else:
        with rle_masks(model) if mode == "ours" else nullcontext():
            yield


def encode(masks: Any, timer: PartTimer) -> list[dict]:
    """Encode a prediction's masks as COCO RLE as mmdet's metrics do; masks in RLE are unchanged."""
    if not torch.is_tensor(masks):
        return masks
    with timer.part("paste_encode"):
        return encode_mask_results(masks.cpu().numpy())


@contextmanager
def _replaced(module: Any) -> Iterator[None]:
    original = module.merge_aug_masks
    module.merge_aug_masks = _mean_on_host
    try:
        yield
    finally:
        module.merge_aug_masks = original


def _mean_on_host(masks: list[Tensor], _meta: dict) -> np.ndarray:
    """Average the heads' masks (n, C, h, w), as mmdet 2's ``merge_aug_masks`` does."""
    return np.mean([mask.cpu().numpy() for mask in masks], axis=0)
