"""Walks through every config on the pretended GPU.

python gpu_walk.py WHAT [NAME...]   takes one training step (WHAT = training) or detects on one
image (detection) with each config at smoke scale, or with those named, or runs `FAULTS` (faults),
and prints JSON: name -> {"waits": [...]}, and "fault" if it failed.
"""

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from mmdet.registry import MODELS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS
from pretended_gpu import GPU, Everywhere, install, moved, noted

from seesaw.cli.checks.preflight_check import with_counts
from seesaw.evaluation import synthetic
from seesaw.evaluation.paste import rle_masks
from seesaw.models.ops import roi_pool
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale


def train(cfg) -> None:
    """Take one step: forward, backward, update, and the hooks of the config."""
    model = moved(synthetic.build(cfg))
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    hooks = [HOOKS.build(hook) for hook in cfg.get("custom_hooks", [])]
    runner = SimpleNamespace(model=model, cfg=cfg, train_loop=SimpleNamespace(accumulated=1))
    data = synthetic.batch(cfg, 2, synthetic.typical_px(cfg))
    before = [weight.inner.clone() for weight in model.parameters()]
    with synthetic.proposals_on_objects(model), Everywhere():
        for hook in hooks:
            hook.before_train(runner)
        noted.clear()
        losses = model.train_step(data, optimizer)
        for hook in hooks:
            hook.after_train_iter(runner, 0, data, losses)
        waited = list(noted)
        assert not all(map(torch.equal, before, (w.inner for w in model.parameters())))
        assert 0 < losses["loss"].item() < 1000
    noted[:] = waited


def detect(cfg) -> None:
    """Detect on one image, from the loaded image to run-length code."""
    model = moved(synthetic.build(cfg, train=False))
    if "tta_model" in cfg:
        model = MODELS.build(cfg.tta_model, default_args=dict(module=model))
    data = synthetic.view(cfg)
    noted.clear()
    with rle_masks(model), Everywhere(), torch.no_grad():
        (sample,) = model.test_step(data)
    assert sample.pred_instances.bboxes.device == GPU and len(sample.pred_instances)


@contextmanager
def noting_faults(found: dict) -> Iterator[None]:
    """Note a failure with the innermost lines of this project or of mmdet."""
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{f.filename}:{f.lineno}" for f in frames if "/torch/" not in f.filename][-6:]
        found["fault"] = (
            f"{type(error).__name__}: {str(error)[:200]} at {' < '.join(reversed(where))}"
        )


def _number() -> torch.Tensor:
    return torch.ones(3, device=GPU)


# name -> what is a fault on a GPU, or makes its host wait
FAULTS = {
    "mixed": lambda: _number() + torch.ones(3),
    "numpy": lambda: _number().numpy(),
    "cpu_only_kernel": lambda: roi_pool.pool(_number().view(1, 3, 1, 1), torch.ones(1, 5), (1, 1)),
    "item": lambda: _number().sum().item(),
    "if": lambda: 1 if _number().any() else 0,
    "tolist": lambda: _number().tolist(),
    "to_cpu": lambda: _number().cpu(),
    "mask": lambda: _number()[_number() > 0],
    "nonzero": lambda: _number().nonzero(),
    "fine": lambda: _number().masked_fill(_number() > 0, 2.0)[[0, 2]] * torch.tensor(2.0),
}


def walk_faults() -> dict:
    """Walk through `FAULTS`."""
    made = {}
    for name, run in FAULTS.items():
        noted.clear()
        made[name] = found = {}
        with noting_faults(found), Everywhere():
            run()
        found["waits"] = list(noted)
    return made


def main(what: str, names: list[str]) -> None:
    """Walk through all configs, or those with the given names."""
    install()
    if what == "faults":
        print(json.dumps(walk_faults()))
        return
    scale = Scale("smoke")
    table = scale.table
    if what == "training":
        paths = {t.id: t.config for t in table.trainings.values() if t.config}
    else:
        paths = {e.id: e.config_path for e in table.evaluations.values() if e.config_path}
    made = {}
    for name in names or paths:
        cfg = resolve(paths[name], scale)
        with_counts(cfg, None, scale.entry.classes)
        for hook in cfg.get("custom_hooks", []):
            if "category_counts" in hook:
                row = dict(image_count=9, instance_count=9)
                classes = range(1, scale.entry.classes + 1)
                rows = [dict(id=i, **row) for i in classes]
                hook.category_counts = dict(annotated_images=9, categories=rows)
        made[name] = found = {}
        with noting_faults(found):
            (train if what == "training" else detect)(cfg)
        found["waits"] = sorted(set(noted))
    print(json.dumps(made))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
