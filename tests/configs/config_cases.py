"""Resolved configs, each made once, and the exact paths at which two of them differ."""

import copy
import re
from functools import cache

from mmengine.config import Config

from seesaw.spec import experiments, paper
from seesaw.spec.config import difference, resolve
from seesaw.spec.scales import Scale

TABLE = experiments.load()
# one id a config file
BUILT = [e.id for e in TABLE.evaluations.values() if TABLE.built(e.id) and e.split == "val"]
# those of which the paper prints numbers
PRINTED = [e for e in BUILT if paper.load().row(e)]
STAGES = 3


@cache
def resolved(experiment, scale="paper"):
    """The config of an evaluation's id."""
    return resolve(TABLE.evaluations[experiment].config_path, Scale(scale))


def touched(before, after):
    """The paths at which two resolved configs differ, once both are spelled alike."""
    return {path for path, _, _ in difference(_aligned(before), _aligned(after))}


def lint(before, after, allowed):
    """Why ``after`` is not ``before`` with exactly the ``allowed`` paths changed; '' if it is."""
    paths = touched(before, after)
    return "; ".join(
        f"{word} {', '.join(sorted(found))}"
        for word, found in (("stray", paths - allowed), ("unchanged", allowed - paths))
        if found
    )


def expand(*patterns):
    """Shell-like braces: ``a.{b,c}`` is ``a.b`` and ``a.c``."""
    paths = set(patterns)
    while open_ := [p for p in paths if "{" in p]:
        for path in open_:
            paths.remove(path)
            head, choice, tail = re.fullmatch(r"(.*)\{([^{}]*)\}(.*)", path).groups()
            paths |= {f"{head}{word}{tail}" for word in choice.split(",")}
    return paths


def _aligned(config):
    """Per-stage parts as lists, pipelines by step, the dataset outside its repeat wrapper.

    Otherwise a part that moves into a list would differ in every leaf, and hide a stray one.
    """
    config = Config(copy.deepcopy(config.to_dict()))
    roi_head, train_cfg = config.model.roi_head, config.model.train_cfg
    for owner, key in ((roi_head, "bbox_head"), (roi_head, "mask_head"), (train_cfg, "rcnn")):
        if isinstance(owner[key], dict):
            owner[key] = [owner[key]] * STAGES
    loader = config.train_dataloader
    if "oversample_thr" in loader.dataset:
        wrapper = loader.dataset
        loader.dataset = wrapper.pop("dataset")
        loader.repeat = wrapper
    for dataset in (loader.dataset, config.test_dataloader.dataset):
        steps = {step.type: step for step in dataset.pipeline}
        assert len(steps) == len(dataset.pipeline), "two steps of one type: lint them by index"
        dataset.pipeline = steps
    return config
