"""Resolved configs: a config file with the scale's overlay and then the dataset applied to it."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, utils
from mmengine.utils import import_modules_from_strings

from seesaw.errors import UserError
from seesaw.spec.overlay import joined, lay_over
from seesaw.spec.scales import Scale

# For each `mmdet::` base, mmengine parses mmdet's 102 metafiles (0.5 s a config); cache the result.
utils.load = cache(utils.load)
# mmengine reads a config's bases again for each config that inherits them, and copies what it gets.
# It passes the file by name for a base alone; what `Config.fromfile` returns may be changed.
_read, _read_base = Config._file2dict, cache(Config._file2dict)
Config._file2dict = staticmethod(lambda *file, **base: _read(*file) if file else _read_base(**base))

# What mmengine reads and a training here sets itself: dotted path -> values that say what it does,
# besides None, and what to use instead.
_SET_HERE: dict[str, tuple[tuple, str]] = {
    "load_from": ((), "init_from of the config's row names the training that it starts from"),
    "param_scheduler": ((), "schedule has the warm-up and the milestones"),
    "train_cfg": ((), "schedule has the epochs"),
    "optim_wrapper.accumulative_counts": ((1,), "batch_size is that of an update"),
    "train_dataloader.batch_size": ((), "batch_size is that of an update, over all GPUs"),
    "train_dataloader.sampler.type": (
        ("InfiniteSampler", "DefaultSampler"),
        "images are drawn at random; a dataset, as ClassBalancedDataset, repeats some",
    ),
    "train_dataloader.batch_sampler.type": (
        ("AspectRatioBatchSampler",),
        "a batch has images of one aspect ratio",
    ),
}
# Helper variables of the config files, which act through the keys that use them.
_PARTS = {"classifier", "context_encoder", "data_root", "norm_cfg", "stages"} | {
    "test_pipeline",
    "train_dataset",
    "train_pipeline",
}


def resolve(path: Path, scale: Scale, register: bool = True, model_alone: bool = False) -> Config:
    """Return the config that a training or evaluation uses at ``scale``.

    With ``register`` the modules that the config names are imported, and with them torch and mmdet;
    only callers that build models or datasets need this. ``model_alone`` is for mmdet's own
    configs, whose other keys are not for a training here.

    Raises:
        UserError: the file is no config or names other annotations than LVIS's, or the overlay has
            no stand-in for its backbone, or a key of it is missing or would have no effect.
    """
    raw = copy.deepcopy({k: v for k, v in load(path).items() if k not in _PARTS})
    if model_alone:
        raw = {"model": raw["model"]}
    else:
        _refuse_without_effect(raw, path)
    if register:
        import_modules_from_strings(**raw.get("custom_imports", {"imports": None}))
    if scale.overlay.backbones:
        _swap_backbone(raw["model"], path, scale)
    settings = joined(scale.overlay.set, scale.overlay.set_in.get(path.stem, {}))
    settings["num_classes"] = scale.entry.classes
    return Config(_with_dataset(lay_over(raw, settings), path, scale), filename=str(path))


@cache
def load(path: Path) -> dict:
    """Return the content of a config file at paper scale, as plain data."""
    try:
        raw = Config.fromfile(path, import_custom_modules=False).to_dict()
    except RecursionError:
        raise UserError(f"{path} inherits from itself; correct its _base_.") from None
    except Exception as error:  # a config is code, which can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as a config ({reason}); correct it.") from None
    if "model" not in raw:
        raise UserError(f"{path} has no model; inherit one by _base_ or write it.")
    return raw


def schedule_of(path: Path) -> dict:
    """Return the schedule of a training's config at paper scale.

    Raises:
        UserError: the file is no config, or its schedule lacks a number.
    """
    schedule = load(path).get("schedule") or {}
    needed = ("epochs", "milestones", "gamma", "warmup_iters", "warmup_start")
    if lacking := next((key for key in needed if key not in schedule), None):
        raise UserError(f"{path} has no schedule.{lacking}; inherit it by _base_ or write it.")
    return schedule


def backbone_checkpoint(path: Path) -> str:
    """Return the pre-trained checkpoint from which a config's backbone starts at paper scale.

    Raises:
        UserError: the file is no config, or names none.
    """
    try:
        return load(path)["model"]["backbone"]["init_cfg"]["checkpoint"]
    except (KeyError, TypeError):
        raise UserError(
            f"{path}: model.backbone.init_cfg names no checkpoint; name one, by which the scales "
            "find the stand-in for the backbone."
        ) from None


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return a resolved config as dotted paths -> plain values; lists of dicts use the index."""
    if isinstance(node, dict):
        items = [(str(k), v) for k, v in node.items()]
    elif isinstance(node, (list, tuple)) and _holds_dict(node):
        items = [(str(i), v) for i, v in enumerate(node)]
    else:
        return {prefix: node}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat or {prefix: node}


def difference(a: Config, b: Config) -> list[tuple[str, Any, Any]]:
    """Return the dotted paths whose values differ, with both values (``None`` if absent)."""
    old, new = flatten(a.to_dict()), flatten(b.to_dict())
    # As JSON a tuple and a list are the same, and null is not what is absent.
    x, y = ({k: json.dumps(v, default=str) for k, v in flat.items()} for flat in (old, new))
    keys = sorted(old.keys() | new.keys())
    return [(k, old.get(k), new.get(k)) for k in keys if x.get(k) != y.get(k)]


def paper_difference(a: Path, b: Path) -> list[str]:
    """Return the dotted paths at which two config files differ at paper scale."""
    plain = ({k: v for k, v in load(path).items() if k not in _PARTS} for path in (a, b))
    return [key for key, *_ in difference(*map(Config, plain))]


def _holds_dict(node: Any) -> bool:
    return isinstance(node, dict) or (
        isinstance(node, (list, tuple)) and any(_holds_dict(item) for item in node)
    )


def _refuse_without_effect(raw: dict, path: Path) -> None:
    """Refuse what a training of ours would pass over, as if the config did not have it.

    None is no value: with it a config drops what it inherits from one of mmdet's own.
    """
    flat = flatten({k: v for k, v in raw.items() if k != "model"})
    for key, value in flat.items():
        named = next((n for n in _SET_HERE if f"{key}.".startswith(f"{n}.")), None)
        if named and value is not None and value not in _SET_HERE[named][0]:
            raise UserError(
                f"{path}: a training sets {named} itself; remove it, or set it to None if it is "
                f"inherited, as {_SET_HERE[named][1]}."
            )
        if key.startswith("custom_hooks.") and key.endswith(".type") and value == "EMAHook":
            raise UserError(
                f"{path}: EMAHook has no effect, as the last weights are kept; remove it."
            )
    length = schedule_of(path)["warmup_iters"]
    if type(length) is not int or length < 2:  # mmengine's of 1 never ends, of 2.5 overshoots
        raise UserError(
            f"{path}: schedule.warmup_iters is {length}; it is a whole number of at least 2, and "
            "with warmup_start=1.0 there is no warm-up."
        )


def _swap_backbone(model: dict, path: Path, scale: Scale) -> None:
    checkpoint = backbone_checkpoint(path)
    stand_in = scale.overlay.backbones.get(checkpoint)
    if stand_in is None:
        raise UserError(f"{scale.path}: backbones lacks {checkpoint!r} of {path}; add it.")
    backbone = model["backbone"]
    backbone |= stand_in.set
    backbone["init_cfg"]["checkpoint"] = str(scale.pretrained(stand_in.name))
    model["neck"]["in_channels"] = stand_in.out_channels


def _with_dataset(raw: dict, path: Path, scale: Scale) -> dict:
    """Point every dataset and category-count file of a config at the scale's dataset."""
    entry = scale.entry
    files = {
        "annotations/lvis_v1_train.json": entry.train,
        "annotations/lvis_v1_val.json": entry.val,
    }

    def visit(node: Any) -> Any:
        if isinstance(node, dict):
            node = {k: visit(v) for k, v in node.items()}
            if "ann_file" in node:
                if (named := node["ann_file"]) not in files:
                    known = " or ".join(files)
                    raise UserError(
                        f"{path}: ann_file is {named!r}; write {known}, in whose place each scale "
                        "puts its own dataset's."
                    )
                node["ann_file"] = files[named]
            if {"ann_file", "data_root"} & node.keys():
                node["data_root"] = f"{entry.root}/"
            if "category_counts" in node:
                node["category_counts"] = str(entry.category_counts)
            return node
        if isinstance(node, (list, tuple)):
            return type(node)(visit(item) for item in node)
        return node

    # mmdet's own configs have evaluators, with paths from the root, which no evaluation here reads.
    return {k: v if k.endswith("_evaluator") else visit(v) for k, v in raw.items()}
