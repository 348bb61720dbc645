"""What work takes, as data: assumed in ``configs/costs.yaml``, or measured on a GPU.

`seesaw preflight --measure` writes ``configs/costs/<gpu>.yaml``, one file for a GPU and scale. Of
it a plan reads the seconds that one image takes, in training and in detection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from seesaw.core import paths
from seesaw.core.yaml import one_sentence, read_yaml
from seesaw.errors import UserError
from seesaw.spec import experiments
from seesaw.spec.scales import Scale

FILE = paths.CONFIGS / "costs.yaml"
FOLDER = paths.CONFIGS / "costs"


class ScaleCosts(BaseModel):
    """A scale's own; ``epochs`` and ``image`` say what its trainings take of the paper's hours."""

    model_config = ConfigDict(extra="forbid")
    minutes: dict[str, float] = {}
    gigabytes: dict[str, float] = {}
    gpus: dict[str, int] = {}
    checkpoints: int = 0
    epochs: dict[str, float] = {}
    image: float = 1.0


class Estimates(BaseModel):
    """configs/costs.yaml."""

    model_config = ConfigDict(extra="forbid")
    uncertainty: float
    reference: str
    gpus: dict[str, float]
    hours: dict[str, float]
    multi_node: dict[str, float]
    images: dict[str, int]
    epochs: dict[str, int]
    batch: int
    detection: dict[str, float]
    scales: dict[str, ScaleCosts]


class Measured(NamedTuple):
    """Seconds an image on one GPU.

    Attributes:
        device: the GPU's full name.
        training: training -> seconds of a training step, for one image of it.
        detection: evaluation -> seconds from the loaded image to its detections.
    """

    device: str = ""
    training: dict[str, float] = {}
    detection: dict[str, float] = {}


def assumed(path: Path | None = None) -> Estimates:
    """Read and check the estimates.

    Raises:
        UserError: one sentence with the file, the key and the fix.
    """
    path = path or FILE
    try:
        return Estimates.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(one_sentence(path, error)) from None


def measured(gpu: str, scale: Scale) -> Measured:
    """What was measured at a scale on the GPU whose name contains ``gpu``; empty if nothing was."""
    for path in sorted(FOLDER.glob("*.yaml")):
        content = read_yaml(path)
        device = str(content.get("device", ""))
        if content.get("scale") == scale.name and gpu.lower() in device.lower():
            sections = (_seconds(content.get(name)) for name in ("training", "detection"))
            return Measured(device, *sections)
    return Measured()


def repeats(config: Path) -> bool:
    """Whether a training's config takes its images by the repeat factor sampler."""
    files = experiments.config_files(config)
    return any("ClassBalancedDataset" in file.read_text(encoding="utf-8") for file in files)


def _seconds(section: dict[str, Any] | None) -> dict[str, float]:
    """Name -> seconds an image; a measurement that failed holds none."""
    found = (section or {}).items()
    return {name: m["seconds_per_image"] for name, m in found if "seconds_per_image" in m}
