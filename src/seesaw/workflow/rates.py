"""The durations of work: assumed in ``configs/costs.yaml``, or measured on a GPU.

`seesaw preflight --measure` writes ``configs/costs/<gpu>.yaml``, one file for each GPU and scale.
A plan uses the seconds per image in it, for training and detection.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from seesaw.core import paths
from seesaw.core.yaml import Strict, read_model, read_yaml
from seesaw.spec import experiments
from seesaw.spec.scales import Scale
from seesaw.spec.site import one_spelling

FILE = paths.CONFIGS / "costs.yaml"
FOLDER = paths.CONFIGS / "costs"


class ScaleCosts(Strict):
    """Costs of one scale; ``epochs`` and ``image`` relate its trainings to the paper's hours."""

    minutes: dict[str, float] = {}
    gigabytes: dict[str, float] = {}
    gpus: dict[str, int] = {}
    checkpoints: int = 0
    epochs: dict[str, float] = {}
    image: float = 1.0


class Estimates(Strict):
    """The content of configs/costs.yaml."""

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


class _Open(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Timing(_Open):
    seconds_per_image: float | None = Field(default=None, gt=0)


class _Loader(_Open):
    images_per_second: float | None = Field(default=None, gt=0)
    trainings: list[str] = []


class _File(_Open):
    """What a plan reads of the measurements on a GPU."""

    training: dict[str, _Timing] | None = None
    detection: dict[str, _Timing] | None = None
    loader: dict[str, _Loader] | None = None


class Measured(NamedTuple):
    """Measured seconds per image on one GPU."""

    # training -> seconds of a training step, per image, or the time in which its loader delivers an
    # image, if that is longer
    training: dict[str, float] = {}
    # evaluation -> seconds from the loaded image to its detections
    detection: dict[str, float] = {}


def assumed() -> Estimates:
    """Read and validate the estimates."""
    return read_model(FILE, Estimates)


def measured(gpu: str, scale: Scale) -> Measured:
    """Return measurements at a scale on the GPU whose name contains ``gpu``; empty without any."""
    for path in sorted(FOLDER.glob("*.yaml")):
        content = read_yaml(path)
        device = str(content.get("device", ""))
        if content.get("scale") == scale.name and one_spelling(gpu) in one_spelling(device):
            found = read_model(path, _File, content)
            training, detection = map(_seconds, (found.training, found.detection))
            for loader in (found.loader or {}).values():
                if rate := loader.images_per_second:
                    for name in training.keys() & loader.trainings:
                        training[name] = max(training[name], 1 / rate)
            return Measured(training, detection)
    return Measured()


def repeats(config: Path) -> bool:
    """Whether a training's config samples its images with the repeat factor sampler."""
    files = experiments.config_files(config)
    return any("ClassBalancedDataset" in file.read_text(encoding="utf-8") for file in files)


def _seconds(section: dict[str, _Timing] | None) -> dict[str, float]:
    """Return name -> seconds per image; failed measurements have none and are left out."""
    rows = (section or {}).items()
    return {name: row.seconds_per_image for name, row in rows if row.seconds_per_image}
