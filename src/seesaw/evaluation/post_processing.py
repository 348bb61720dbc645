"""Time post-processing at the size of LVIS with random weights; it dominates Table A2's fps.

The paper's 0.1, 0.1 and 2.8 fps differ by the number of mask heads: with more than one, 300 masks
of 1,203 classes from each head were copied to the host and averaged. This effect does not appear at
a reduced scale, so it is timed here at full size, from the class scores of 1,000 proposals and the
256 channels before the mask predictor to RLE.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.functional import interpolate

from seesaw.evaluation.modes import MODES, encode, in_mode, running
from seesaw.evaluation.timing import PartTimer, clock, timed

HEIGHT, WIDTH, PROPOSALS, SIDE = 480, 640, 1000, 28
PARTS = ("nms", "masks", "paste_encode")
# Tensors of all classes' masks that mmdet 3 holds at once when it averages three heads: the heads'
# own, weighted, and in one piece, the last logits and the mean.
_TENSORS = 11


@torch.no_grad()
def measure(models: dict[str, Any], detections: int = 300) -> dict:
    """Time the post-processing of RoI heads on the CPU in every mode, once.

    Args:
        models: name -> a detector's config. HTC is left out: its mask heads pass features on to
            each other and cannot be cut off before the predictor.
        detections: detections of the image; fewer are used if memory cannot hold their masks.

    Returns:
        ``fps``: mode -> name -> images/s; ``parts``: mode -> name -> part of `PARTS` or ``other``
        -> seconds; ``mask_heads``: name -> number; and ``detections``, ``classes``, ``proposals``,
        ``resolution`` (height and width of the image in pixels). Empty if no model has such a head.
    """
    init_default_scope("mmdet")
    models = {name: c for name, c in models.items() if "HTC" not in _mask_head(c)["type"]}
    if not models:
        return {}
    mask_head = _mask_head(next(iter(models.values())))
    classes, channels = mask_head["num_classes"], mask_head["conv_out_channels"]
    mask_bytes = 4 * classes * SIDE**2
    detections = max(1, min(detections, int(0.9 * _free_memory() / (mask_bytes * _TENSORS))))
    generator = torch.Generator().manual_seed(0)
    # smooth, so that masks are blobs and not noise
    coarse = torch.randn(detections, channels, 5, 5, generator=generator)
    features = interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")
    scored = _scored_proposals(classes, generator)
    parts: dict[str, dict] = {mode: {} for mode in MODES}
    heads = {}
    for name, config in models.items():
        for mode in MODES[::-1]:
            roi_head = _roi_head(config, mode, features)
            several = isinstance(roi_head.mask_head, nn.ModuleList)
            heads[name] = len(roi_head.mask_head) if several else 1
            if mode == "old" and not several:
                # With a single mask head, the modes old and mmdet are the same.
                parts[mode][name] = parts["mmdet"][name]
                continue
            if mode == "ours":
                post_process(roi_head, mode, *scored)  # warm-up, cheap in this mode only
            parts[mode][name] = post_process(roi_head, mode, *scored)[1]
    return dict(
        fps={m: {name: 1 / sum(p.values()) for name, p in parts[m].items()} for m in MODES},
        parts=parts,
        mask_heads=heads,
        detections=detections,
        classes=classes,
        proposals=PROPOSALS,
        resolution=[HEIGHT, WIDTH],
    )


def post_process(
    roi_head: nn.Module, mode: str, rois: Tensor, logits: Tensor, deltas: Tensor
) -> tuple[list[dict], dict[str, float]]:
    """Return the masks of detections, and their time, from the outputs of the last box stage.

    Args:
        roi_head: a head from `_roi_head` of the same mode.
        mode: one of `MODES`.
        rois: (n, 5), image index first.
        logits: (n, C + 1).
        deltas: (n, 4).

    Returns:
        A dict ``{"size", "counts"}`` for each detection, and part of `PARTS` or ``other`` ->
        seconds.
    """
    meta = dict(img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH), scale_factor=(1.0, 1.0))
    timer = PartTimer()
    last = roi_head.bbox_head[-1]
    with running(roi_head, mode), timed(roi_head, timer):
        start = clock()
        results = last.predict_by_feat(
            (rois,), (logits,), (deltas,), [meta], rcnn_test_cfg=roi_head.test_cfg
        )
        (result,) = roi_head.predict_mask((rois,), [meta], results, rescale=True)
        coded = encode(result.masks, timer)
        total = clock() - start
    seconds: dict[str, float] = {part: round(timer.seconds[part], 6) for part in PARTS}
    seconds["other"] = round(total - sum(seconds.values()), 6)
    return coded, seconds


class _Given(nn.Module):
    """A replacement of a RoI extractor that returns precomputed features."""

    num_inputs = 1

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, _levels: tuple, rois: Tensor) -> Tensor:
        return self.features[: len(rois)]


def _roi_head(model: Any, mode: str, features: Tensor) -> nn.Module:
    """Build a detector's RoI head with mask heads reduced to their predictors on ``features``."""
    cfg = ConfigDict(in_mode(model["roi_head"], mode))
    cfg.test_cfg = ConfigDict(model["test_cfg"]["rcnn"], max_per_img=len(features))
    cfg.pop("glbctx_head", None)
    for head in cfg.bbox_head:
        head.update(fc_out_channels=1)  # not run
    cfg.mask_head.update(num_convs=0, upsample_cfg=dict(type=None))
    torch.manual_seed(0)
    roi_head = MODELS.build(cfg).eval()
    given = _Given(features)
    if isinstance(roi_head.mask_head, nn.ModuleList):
        roi_head.mask_roi_extractor = nn.ModuleList([given] * len(roi_head.mask_head))
    else:
        roi_head.mask_roi_extractor = given
    return roi_head


def _scored_proposals(classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return proposals (n, 5) clustered around 60 objects, class logits and zero box deltas."""
    objects = torch.randint(60, (PROPOSALS,), generator=generator)
    size = torch.tensor([WIDTH, HEIGHT])
    corner = torch.rand(60, 2, generator=generator) * 0.9 * size
    side = (torch.rand(60, 2, generator=generator) * 4 + 2).exp()
    boxes = torch.cat([corner, corner + side], 1)[objects]
    boxes += torch.randn(PROPOSALS, 4, generator=generator) * 0.1 * side[objects].repeat(1, 2)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 2)
    boxes = torch.minimum(boxes.clamp(min=0), size.repeat(2))
    logits = torch.randn(60, classes + 1, generator=generator)[objects] * 3
    logits += torch.randn(PROPOSALS, classes + 1, generator=generator)
    logits[:, -1] += 6
    rois = torch.cat([boxes.new_zeros(PROPOSALS, 1), boxes], 1)
    return rois, logits, boxes.new_zeros(PROPOSALS, 4)


def _mask_head(model: Any) -> Any:
    head = model["roi_head"]["mask_head"]
    return head[0] if isinstance(head, list) else head


def _free_memory() -> int:
    """Return the bytes of memory that are available without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
