"""A cascade detector's parts, and what flows between them, read from the model that is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmengine.config import Config
from torch import nn

from seesaw.models.meta import Key, Part, build, measured, padded, whole


@dataclass(frozen=True)
class Edge:
    """An arrow between two parts, each (name, stage).

    It carries "features" of the image (heads pool them over their RoIs), "boxes", "masks" (features
    of a mask head), or "context" (what a branch adds to the pooled features).
    """

    source: Key
    target: Key
    flow: str


@dataclass(frozen=True)
class Architecture:
    """A detector's parts and the edges between them."""

    parts: list[Part]  # in the order in which they run
    edges: list[Edge]  # what flows between the parts
    parameters: int  # number of parameters of the whole detector
    stages: int
    image: tuple[int, int]  # height and width of the input in pixels
    proposals: int  # boxes that enter the cascade
    detections: int  # boxes that get a mask

    @property
    def macs(self) -> int:
        """The number of multiply-adds of all parts."""
        return sum(part.macs for part in self.parts)

    def part(self, name: str, stage: int | None = None) -> Part | None:
        """Return a part, or None if the model does not have it."""
        return next((p for p in self.parts if (p.name, p.stage) == (name, stage)), None)


def architecture(config: Config) -> Architecture:
    """Build a resolved config's cascade detector and read its architecture from the model."""
    model = build(config)
    image = _image_size(config)
    proposals = config.model.test_cfg.rpn.max_per_img
    detections = config.model.test_cfg.rcnn.max_per_img
    parts = measured(model, lambda: whole(model, 1, image, proposals, detections))
    return Architecture(
        parts,
        list(_edges(model.roi_head, {(part.name, part.stage) for part in parts})),
        sum(p.numel() for p in model.parameters()),
        model.roi_head.num_stages,
        image,
        proposals,
        detections,
    )


def _image_size(config: Config) -> tuple[int, int]:
    """Return the height and width of a padded landscape image in pixels."""
    scale = next(
        t["scale"] for t in config.test_dataloader.dataset.pipeline if t["type"] == "Resize"
    )
    return padded((min(scale), max(scale)), config.model.data_preprocessor.pad_size_divisor)


def _edges(roi_head: nn.Module, parts: set[Key]) -> Iterator[Edge]:
    yield Edge(("backbone", None), ("neck", None), "features")
    yield Edge(("neck", None), ("RPN", None), "features")
    last = roi_head.num_stages - 1
    heads = [
        (name, stage)
        for stage in range(roi_head.num_stages)
        for name in ("box", "mask")
        if (name, stage) in parts
    ]
    for name, stage in heads:
        yield Edge(("neck", None), (name, stage), "features")
        if name == "box":
            yield Edge(("box", stage - 1) if stage else ("RPN", None), (name, stage), "boxes")
            continue
        # interleaved: each mask head works on its own stage's boxes, else on the final ones
        boxes = stage if getattr(roi_head, "interleaved", False) else last
        yield Edge(("box", boxes), (name, stage), "boxes")
        if getattr(roi_head, "mask_info_flow", False) and ("mask", stage - 1) in parts:
            yield Edge(("mask", stage - 1), (name, stage), "masks")
    for branch in ("context", "semantic"):
        if (branch, None) in parts:
            yield Edge(("neck", None), (branch, None), "features")
            yield from (Edge((branch, None), head, "context") for head in heads)
    if ("mask IoU", last) in parts:
        yield Edge(("mask", last), ("mask IoU", last), "masks")
