"""Read modules, shapes, parameters and costs of a cascade detector from the built model.

The model is built at full size without memory (on torch's meta device). One image is then passed
through its modules at inference; RoI extractors, which have no meta kernel, are replaced by stubs
that return features of the right shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import seesaw.models  # noqa: F401  (registers)

# attribute of the RoI head -> name of the part; lists have one for each stage
_HEADS = {
    "bbox_head": "box",
    "mask_head": "mask",
    "semantic_head": "semantic",
    "glbctx_head": "context",
    "mask_iou_head": "mask IoU",
}


@dataclass
class Part:
    """A module of the detector and what it does for one image at inference.

    Attributes:
        name: "backbone", "neck", "RPN", "box", "mask", "semantic", "context" or "mask IoU".
        stage: stage of the cascade, from 0; None if the part belongs to no stage.
        type: name of its class.
        parameters: number of parameters.
        macs: number of multiply-adds; 0 if the part did not run.
        inputs: shapes of its input tensors.
        outputs: shapes of its output tensors.
    """

    name: str
    stage: int | None
    type: str
    parameters: int
    macs: int = 0
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    outputs: list[tuple[int, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Edge:
    """An arrow between two parts, each (name, stage).

    It carries "features" of the image, "boxes", "masks" (features of a mask head), or "context"
    (the vector that is added to the RoI features).
    """

    source: tuple[str, int | None]
    target: tuple[str, int | None]
    flow: str


@dataclass(frozen=True)
class Architecture:
    """A detector's parts and the edges between them.

    Attributes:
        parts: in the order of the model.
        edges: between RPN and heads, and from context or semantic branch.
        parameters: number of parameters of the whole detector.
        stages: number of stages of the cascade.
        image: height and width of the input in pixels.
        proposals: boxes that enter the cascade.
        detections: boxes that get a mask.
    """

    parts: list[Part]
    edges: list[Edge]
    parameters: int
    stages: int
    image: tuple[int, int]
    proposals: int
    detections: int

    @property
    def macs(self) -> int:
        """The number of multiply-adds of all parts."""
        return sum(part.macs for part in self.parts)

    def part(self, name: str, stage: int | None = None) -> Part | None:
        """Return a part, or None if the model does not have it."""
        return next((p for p in self.parts if (p.name, p.stage) == (name, stage)), None)


def architecture(config: Config) -> Architecture:
    """Build a cascade detector and read its architecture from the model.

    Args:
        config: a resolved config with ``model`` and ``test_pipeline``'s image scale.
    """
    register_all_modules(init_default_scope=True)
    with torch.device("meta"):
        model = MODELS.build(config.model).eval()
    modules = dict(_modules(model))
    parts = {
        key: Part(*key, type(module).__name__, sum(p.numel() for p in module.parameters()))
        for key, module in modules.items()
    }
    image = _image_size(config)
    proposals = config.model.test_cfg.rpn.max_per_img
    detections = config.model.test_cfg.rcnn.max_per_img
    with torch.no_grad(), _watched(modules, parts), _stub_extractors(model.roi_head):
        features = model.extract_feat(torch.empty(1, 3, *image, device="meta"))
        model.rpn_head(features)
        _run_heads(model.roi_head, features, proposals, detections)
    return Architecture(
        list(parts.values()),
        list(_edges(model.roi_head, parts)),
        sum(p.numel() for p in model.parameters()),
        model.roi_head.num_stages,
        image,
        proposals,
        detections,
    )


def _modules(model: nn.Module) -> Iterator[tuple[tuple[str, int | None], nn.Module]]:
    yield ("backbone", None), model.backbone
    yield ("neck", None), model.neck
    yield ("RPN", None), model.rpn_head
    last = model.roi_head.num_stages - 1
    for attribute, name in _HEADS.items():
        found = getattr(model.roi_head, attribute, None)
        if isinstance(found, nn.ModuleList):
            yield from (((name, stage), module) for stage, module in enumerate(found))
        elif found is not None:
            # a single mask head works on the boxes of the last stage
            yield (name, last if name.startswith("mask") else None), found


def _image_size(config: Config) -> tuple[int, int]:
    """Return the height and width of a padded landscape image in pixels."""
    scale = next(t["scale"] for t in config.test_pipeline if t["type"] == "Resize")
    divisor = config.model.data_preprocessor.pad_size_divisor
    return tuple(-(-side // divisor) * divisor for side in (min(scale), max(scale)))


@contextmanager
def _watched(modules: dict, parts: dict) -> Iterator[None]:
    """Record the multiply-adds, inputs and outputs of each module in its part."""
    with ExitStack() as stack:
        counter = stack.enter_context(FlopCounterMode(display=False))
        for key, module in modules.items():
            part = parts[key]
            since: list[int] = []

            def before(_module, inputs, part=part, since=since):
                since.append(counter.get_total_flops())
                part.inputs = _shapes(inputs)

            def after(_module, _inputs, outputs, part=part, since=since):
                part.macs += (counter.get_total_flops() - since.pop()) // 2
                part.outputs = _shapes(outputs)

            stack.enter_context(module.register_forward_pre_hook(before))
            stack.enter_context(module.register_forward_hook(after))
        yield


@contextmanager
def _stub_extractors(roi_head: nn.Module) -> Iterator[None]:
    """Make RoI extractors return features without values, (n, C, s, s) for n RoIs."""
    extractors = [m for m in roi_head.modules() if hasattr(m, "roi_layers")]
    try:
        for extractor in extractors:
            size = extractor.roi_layers[0].output_size

            def forward(feats, rois, *_, channels=extractor.out_channels, size=size):
                return feats[0].new_empty(len(rois), channels, *size)

            extractor.forward = forward
        yield
    finally:
        for extractor in extractors:
            del extractor.forward


def _run_heads(roi_head: nn.Module, features: tuple[Tensor], proposals: int, kept: int) -> None:
    """Run the RoI head's passes at inference; their cost does not depend on which boxes remain."""
    rois, final = (torch.zeros(n, 5, device="meta") for n in (proposals, kept))
    labels = torch.zeros(kept, dtype=torch.long, device="meta")
    extra = ()
    if getattr(roi_head, "with_semantic", False):
        extra = (roi_head.semantic_head(features)[1],)
    if hasattr(roi_head, "with_context"):
        features = roi_head.with_context(features)
    for stage in range(roi_head.num_stages):
        roi_head._bbox_forward(stage, features, rois, *extra)
    if not roi_head.with_mask:
        return
    if hasattr(roi_head, "mask_branch"):
        roi_head.mask_branch(features, final, labels)
        return
    with roi_head.class_indexed(labels):
        if hasattr(roi_head, "mask_info_flow"):  # HTC runs all mask heads in one pass
            roi_head._mask_forward(-1, features, final, *(extra or (None,)), training=False)
        else:
            for stage in range(roi_head.num_stages):
                roi_head._mask_forward(stage, features, final)


def _edges(roi_head: nn.Module, parts: dict) -> Iterator[Edge]:
    yield Edge(("backbone", None), ("neck", None), "features")
    yield Edge(("neck", None), ("RPN", None), "features")
    last = roi_head.num_stages - 1
    for stage in range(roi_head.num_stages):
        yield Edge(("box", stage - 1) if stage else ("RPN", None), ("box", stage), "boxes")
        if ("mask", stage) in parts:
            # interleaved: each mask head works on its own stage's boxes, else on the final ones
            boxes = stage if getattr(roi_head, "interleaved", False) else last
            yield Edge(("box", boxes), ("mask", stage), "boxes")
            if getattr(roi_head, "mask_info_flow", False) and ("mask", stage - 1) in parts:
                yield Edge(("mask", stage - 1), ("mask", stage), "masks")
    for branch in ("context", "semantic"):
        if (branch, None) in parts:
            heads = [key for key in parts if key[0] in ("box", "mask")]
            yield Edge(("neck", None), (branch, None), "features")
            yield from (Edge((branch, None), head, "context") for head in heads)
    if ("mask IoU", last) in parts:
        yield Edge(("mask", last), ("mask IoU", last), "masks")


def _shapes(found) -> list[tuple[int, ...]]:
    if isinstance(found, Tensor):
        return [tuple(found.shape)]
    if isinstance(found, (list, tuple)):
        return [shape for item in found for shape in _shapes(item)]
    return []
