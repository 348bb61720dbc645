"""Convert a released checkpoint to a finished training's weights; every tensor must fit."""

from __future__ import annotations

from pathlib import Path

import mmdet
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint, set_random_seed

from seesaw.models import weights
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.spec.zoo import Released
from seesaw.training.train import save_model

RELEASED = Path(mmdet.__file__).parent / ".mim/configs/seesaw_loss"


def build(cfg: Config) -> torch.nn.Module:
    """Build a config's model with random weights."""
    init_default_scope(cfg.get("default_scope", "mmdet"))
    cfg = cfg.copy()
    cfg.model.backbone.init_cfg = None
    return MODELS.build(cfg.model)


def convert(cfg: Config, checkpoint: Path, output: Path) -> dict:
    """Write a checkpoint's weights in the format of this project's trainings.

    ``checkpoint`` is in mmdet's release format, ``{"state_dict", "meta"}``; the returned facts are
    for the provenance record.

    Raises:
        UserError: the file is no checkpoint, or a tensor is missing, unexpected or of another
            shape.
    """
    model = build(cfg)
    fix = "delete it and run `seesaw download zoo` again, or correct the config"
    weights.fill(model, checkpoint, str(cfg.filename), fix)
    save_model(model, output)
    return {
        "tensors": len(model.state_dict()),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def stand_in(released: Released, scale: Scale, path: Path) -> Path:
    """Save a randomly initialised model of mmdet's own config, reduced to the scale, by mmengine.

    At small scales it replaces a released checkpoint, so that everything except the numbers is
    tested.
    """
    set_random_seed(0)
    cfg = resolve(RELEASED / f"{released.released}.py", scale, model_alone=True)
    model = build(cfg)
    model.init_weights()
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = {"meta": {"epoch": 24}, "state_dict": model.state_dict()}
    save_checkpoint(checkpoint, str(path))
    return path
