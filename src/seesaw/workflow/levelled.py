"""Refusals of trainings and evaluations that a scale levels, or does not shorten."""

from __future__ import annotations

from pathlib import Path

from seesaw.errors import UserError
from seesaw.spec import experiments
from seesaw.spec.overlay import joined
from seesaw.spec.scales import Scale
from seesaw.workflow import used_code


def refuse(config: Path, other: Path, scale: Scale) -> None:
    """Refuse two configs that do the same at a scale because it replaces what they differ in."""
    from seesaw.spec.config import backbone_checkpoint, paper_difference

    different = paper_difference(config, other) if config != other else []
    if keys := [k for k in different if k.rpartition(".")[2] not in used_code.MACHINE_KEYS]:
        if config in experiments.config_files(other):  # the rung above stays as it is
            config, other = other, config
        fix = f"set other values for {config.stem} under set_in"
        if scale.overlay.backbones and "model.backbone.init_cfg.checkpoint" in keys:
            own = backbone_checkpoint(config)
            fix = f"give {own} a stand-in of its own, with another name, under backbones"
        raise UserError(
            f"{scale.path}: {config} does what {other} does, as this scale sets "
            f"{', '.join(keys[:3])}; {fix}, or leave it out of the trainings under only."
        )


def refuse_full_length(config: Path, scale: Scale) -> None:
    """Refuse a training of the paper's length at a scale that shortens the others."""
    from seesaw.spec.config import schedule_of

    settings = joined(scale.overlay.set, scale.overlay.set_in.get(config.stem, {}))
    epochs = schedule_of(config)["epochs"]
    if epochs not in settings.get("epochs", [epochs]):
        raise UserError(f"{scale.path}: epochs lacks {epochs}, the length of {config}; add it.")
