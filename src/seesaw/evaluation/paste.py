"""Encode masks as RLE from the crops of their boxes, without full-size images.

mmdet pastes every mask into an image of its own (300 bytes a pixel at LVIS's 300 detections) and
the evaluator encodes whole images. Here a mask is sampled in the integer crop around its box, as
mmdet does on the CPU, and the crop is encoded; the resulting bytes are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmengine.config import ConfigDict
from torch import Tensor, nn

from seesaw.data import rle
from seesaw.errors import UserError
from seesaw.models.mask_heads.class_indexed import select_class


def encode_masks(
    probs: Tensor, boxes: Tensor, height: int, width: int, threshold: float
) -> list[dict]:
    """Encode masks given inside their boxes as COCO's compressed RLE.

    The result is byte-identical to pasting on the CPU (mmdet's ``FCNMaskHead``) and encoding with
    ``pycocotools``. Masks on a GPU are copied to the host first, so all devices paste alike.

    Args:
        probs: (n, h, w) float, probabilities inside the boxes.
        boxes: (n, 4) float [x1, y1, x2, y2], pixels of the image.
        height: Image height in pixels.
        width: Image width in pixels.
        threshold: Foreground where the sampled probability is at least this.

    Returns:
        n dicts ``{"size": [height, width], "counts": str}``.
    """
    coded = []
    # split: views of one mask each, without the cost of indexing
    masks, boxes = probs[:, None].cpu().split(1), boxes.cpu().split(1)
    for mask, box in zip(masks, boxes, strict=True):
        crop, (rows, columns) = _do_paste_mask(mask, box, height, width, skip_empty=True)
        binary = (crop[0] >= threshold).numpy()
        counts = rle.encode_crop(binary, int(columns.start), int(rows.start), height, width)
        coded.append({"size": [height, width], "counts": counts})
    return coded


@contextmanager
def rle_masks(model: nn.Module) -> Iterator[None]:
    """Make the model return ``masks`` in the format of `encode_masks` inside the block.

    Boxes, scores and everything else are unchanged. Test-time augmentation is supported; it pastes
    once, after merging. An image without detections keeps mmdet's empty tensor.

    Args:
        model: Any module with mask heads derived from mmdet's ``FCNMaskHead``.

    Raises:
        UserError: inside the block, if ``mask_thr_binary`` requests grey masks.
    """
    heads = [module for module in model.modules() if isinstance(module, FCNMaskHead)]
    for head in heads:
        head._predict_by_feat_single = partial(_predict_single, head)
    try:
        yield
    finally:
        for head in heads:
            del head._predict_by_feat_single


def _predict_single(
    head: FCNMaskHead,
    mask_preds: Tensor,
    bboxes: Tensor,
    labels: Tensor,
    img_meta: dict,
    rcnn_test_cfg: ConfigDict,
    rescale: bool = False,
    activate_map: bool = False,
) -> list[dict]:
    """``FCNMaskHead._predict_by_feat_single`` with the same arguments, but RLE as the result."""
    threshold = rcnn_test_cfg.mask_thr_binary
    if threshold < 0:
        raise UserError(
            f"test_cfg.rcnn.mask_thr_binary is {threshold}, which asks for grey masks; use 0.5."
        )
    # one class per detection before the activation: mmdet activates all of them first
    mask_preds = mask_preds[:, 0] if head.class_agnostic else select_class(mask_preds, labels)
    probs = mask_preds if activate_map else mask_preds.sigmoid()
    height, width = img_meta["ori_shape"][:2]
    scale = bboxes.new_tensor(img_meta["scale_factor"])
    if rescale:
        bboxes /= scale.repeat(1, 2)  # in place, as in mmdet: these are the detections' boxes
    else:
        height, width = round(height * scale[1].item()), round(width * scale[0].item())
    return encode_masks(probs, bboxes, height, width, threshold)
