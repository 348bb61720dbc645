"""The overlay of a scale: settings by name, each of which replaces some values of a config.

A setting changes values that the paper's config has; it cannot add a key. What an overlay may
change is checked by tests/configs/test_overlays.py.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import cache
from math import inf
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, field_validator

from seesaw.core.borders import plain
from seesaw.core.names import instead
from seesaw.core.yaml import Strict, read_model, read_yaml, short
from seesaw.errors import UserError

# Setting -> the config values that it replaces: dotted paths, in which an index is a part and * is
# anything.
SETTINGS: dict[str, list[str]] = {
    # length
    "epochs": ["schedule"],
    "warmup_iterations": ["schedule.warmup_iters"],
    "images_per_batch": ["batch_size"],
    "learning_rate": ["optim_wrapper.optimizer.lr"],
    "mask_predictor_rate": ["model.roi_head.mask_head.*predictor_rate"],
    "context_loss_weight": ["model.roi_head.glbctx_head.loss_weight"],
    # image sizes
    "image_short_edge": ["*_dataloader.*.pipeline.*.scale", "*_dataloader.*.pipeline.*.scales"],
    "crop_edge": [
        "train_dataloader.*.pipeline.*.crop_size",
        "train_dataloader.*.pipeline.*.scale",
    ],
    "tta_short_edge": ["test_dataloader.*.transforms.*.scale"],
    # backbone, widths and depths
    "backbone_depth": ["model.backbone.depth"],
    "backbone_checkpoint": ["model.backbone.init_cfg.checkpoint"],
    "channels": [
        "model.neck.out_channels",
        "model.rpn_head.in_channels",
        "model.rpn_head.feat_channels",
        "model.roi_head.*.in_channels",
        "model.roi_head.*.out_channels",
        "model.roi_head.*.conv_out_channels",
        "model.roi_head.*.delta_channels",
    ],
    "fc_channels": ["model.roi_head.*.fc_out_channels"],
    "carafe_channels": ["model.roi_head.*.compressed_channels"],
    "box_convs": ["model.roi_head.bbox_head.*num_shared_convs"],
    "neck_repeats": ["model.neck.stack_times"],
    # RoI numbers
    "rois_per_image": ["model.train_cfg.rcnn.*sampler.num"],
    "anchors_per_image": ["model.train_cfg.rpn.sampler.num"],
    "proposals_per_level": ["model.*_cfg.rpn*.nms_pre"],
    "proposals_per_image": ["model.*_cfg.rpn*.max_per_img"],
    "detections_per_image": ["model.test_cfg.rcnn.max_per_img"],
    # thresholds that depend on the number of images and categories
    "oversample_threshold": ["train_dataloader.dataset.oversample_thr"],
    "eql_threshold": ["model.roi_head.bbox_head.*loss_cls.lambda_"],
    "bags_edges": ["model.roi_head.bbox_head.*loss_cls.edges"],
}
# The dataset gives this one, and no scale can.
_OF_DATASET = {"num_classes": ["model.roi_head.*num_classes"]}
# A setting in px stands for this size of the paper; all sizes that it replaces are reduced alike.
REFERENCE_PX = {"image_short_edge": 800, "crop_edge": 1280, "tta_short_edge": 1200}
_KINDS = {name: "it is a number of pixels" for name in REFERENCE_PX} | {
    "warmup_iterations": "it is a whole number of at least 2",
    "backbone_checkpoint": "it is a text",
    "epochs": "it gives each of the paper's numbers of epochs, as 12, another",
    "bags_edges": "it is a list of numbers",
}


def _sizes(given: dict[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        if name not in ("crop", "batch", "iterations") or type(value) is not int or value < 1:
            asked = "it has crop, batch and iterations, whole numbers from 1"
            raise ValueError(f"{name} is {short(value)}, but {asked}")
    return given


Pretraining = Annotated[dict[str, Any], AfterValidator(_sizes)]


class StandIn(Strict):
    """The small backbone that replaces one of the paper's backbones at this scale.

    ``pretrain`` replaces some of the scale's own ``pretrain``, as its number of iterations.
    """

    name: str
    set: dict[str, Any]
    out_channels: list[int]
    pretrain: Pretraining = {}


class Overlay(Strict):
    """The changes that a scale makes to the paper's configs.

    ``like`` names the scale with which it shares each key, and each setting, that it does not give.
    ``set`` gives some of the `SETTINGS` a value; ``set_in`` does so in one config only, given by
    its file's stem; ``backbones`` names the stand-in for each pre-trained checkpoint. ``only``
    names the trainings of the scale; by default it has all. With ``ask_before_retraining``, a
    finished training is repeated only after the user has agreed (`seesaw.workflow.acceptances`).
    """

    like: str | None = None
    dataset: str
    only: list[str] | None = None
    ask_before_retraining: bool = False
    set: dict[str, Any] = {}
    set_in: dict[str, dict[str, Any]] = {}
    backbones: dict[str, StandIn] = {}
    pretrain: Pretraining = {}

    @property
    def pretrainings(self) -> dict[str, dict[str, Any]]:
        """Stand-in -> arguments of its pre-training."""
        return {s.name: self.pretrain | s.pretrain for s in self.backbones.values()}

    @field_validator("set")
    @classmethod
    def _known(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if unknown := settings.keys() - SETTINGS.keys():
            named = plain(min(unknown))
            raise ValueError(f"{named} is no setting; use some of {', '.join(SETTINGS)}")
        for name, value in settings.items():
            if not _fits(name, value):
                kind = _KINDS.get(name, "it is a number")
                raise ValueError(f"{name} is {short(value)}, but {kind}")
        return settings

    @field_validator("backbones")
    @classmethod
    def _one_file_each(cls, backbones: dict[str, StandIn]) -> dict[str, StandIn]:
        known: dict[str, StandIn] = {}
        for stand_in in backbones.values():
            if known.setdefault(stand_in.name, stand_in) != stand_in:
                raise ValueError(f"{stand_in.name} names two different stand-ins; rename one")
        return backbones

    @field_validator("set_in")
    @classmethod
    def _known_in(cls, configs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for settings in configs.values():
            cls._known(settings)
        return configs


def read(path: Path) -> Overlay:
    """Read a scale's file, completed by that of the scale it is like.

    Raises:
        UserError: a file is missing or invalid; the message names file, key and fix.
    """
    return read_model(path, Overlay, _completed(path))


def files(path: Path) -> list[Path]:
    """Return a scale's file and those of the scales that it is like, all of which can be read."""
    like = read_yaml(path).get("like")
    return [path, *(files(path.with_name(f"{like}.yaml")) if like else [])]


def _completed(path: Path, *users: Path) -> dict:
    """Return a scale's content with that of the scale it is like; ``users`` are like it."""
    raw = read_yaml(path)
    if (like := raw.get("like")) is None:
        return raw
    known = [p.stem for p in path.parent.glob("*.yaml") if p not in (path, *users)]
    if like not in known:
        given = like if isinstance(like, str) else ""
        what = "no scale whose settings it can share"
        raise UserError(f"{path}: like: {short(like)} is {what}; {instead(given, known)}")
    shared = _completed(path.with_name(f"{like}.yaml"), path, *users)
    parts = raw.keys() & {"set", "set_in", "pretrain"}
    return shared | raw | {k: joined(shared.get(k), raw[k]) for k in parts}


def joined(shared: Any, own: Any) -> Any:
    """Return own settings and, where they have no other, those that are shared."""
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        return own
    return shared | {k: joined(shared.get(k), v) for k, v in own.items()}


def _fits(name: str, value: Any) -> bool:
    """Return whether a setting has a value of its kind; its range shows when a model is built."""
    match name:
        case "backbone_checkpoint":
            return isinstance(value, str)
        case "warmup_iterations":  # of less, mmengine's warm-up never ends, or the rate overshoots
            return type(value) is int and value > 1
        case "epochs":
            return isinstance(value, dict) and all(map(_above_0, [*value, *value.values()]))
        case "bags_edges":
            return isinstance(value, list) and all(map(_above_0, value))
    zero = value == 0 and value is not False and name not in REFERENCE_PX
    return zero or _above_0(value)


def _above_0(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < inf


@cache
def _setting_of_path() -> re.Pattern:
    """Return the pattern whose groups are the settings; later settings are more specific."""
    named = reversed((SETTINGS | _OF_DATASET).items())
    return re.compile("|".join(f"(?P<{n}>{'|'.join(map(translate, p))})" for n, p in named))


def lay_over(node: Any, settings: dict[str, Any], path: str = "") -> Any:
    """Return a config, as plain data, with the values that the settings replace.

    Values that are not among the settings stay the paper's. ``path`` is the dotted path of
    ``node``.
    """
    found = _setting_of_path().match(path)
    if found and found.lastgroup in settings:
        return _set(node, found.lastgroup, settings)
    prefix = f"{path}." if path else ""
    if isinstance(node, dict):
        return {k: lay_over(v, settings, f"{prefix}{k}") for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        if path.endswith(".pipeline") and not any("crop_size" in step for step in node):
            settings = _uncropped(settings)
        return type(node)(lay_over(v, settings, f"{prefix}{i}") for i, v in enumerate(node))
    return node


def _uncropped(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings for a pipeline without a crop, whose images are as large as in tests."""
    others = {k: v for k, v in settings.items() if k != "crop_edge"}
    if edge := settings.get("image_short_edge"):
        others["crop_edge"] = edge / REFERENCE_PX["image_short_edge"] * REFERENCE_PX["crop_edge"]
    return others


def _set(old: Any, name: str, settings: dict[str, Any]) -> Any:
    new = settings[name]
    if name in REFERENCE_PX:
        return _scaled(old, new / REFERENCE_PX[name])
    if name == "epochs":
        return _shortened(old, new, settings)
    return type(old)(new) if isinstance(old, tuple) else new


def _scaled(size: Any, factor: float) -> Any:
    """Scale sizes in px, which may be nested."""
    if isinstance(size, (list, tuple)):
        return type(size)(_scaled(part, factor) for part in size)
    return round(size * factor)


def _shortened(schedule: dict, epochs: dict, settings: dict[str, Any]) -> dict:
    """Set the number of epochs by that of the paper; the milestones keep their fractions."""
    others = {k: v for k, v in settings.items() if k != "epochs"}
    schedule, paper = lay_over(schedule, others, "schedule"), schedule["epochs"]
    if paper not in epochs:
        return schedule
    milestones = [round(m / paper * epochs[paper], 6) for m in schedule["milestones"]]
    return schedule | {"epochs": epochs[paper], "milestones": milestones}
