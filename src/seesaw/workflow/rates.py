"""The durations of work: assumed in ``configs/costs.yaml``, or measured on a GPU.

`seesaw preflight --measure` writes ``configs/costs/<gpu>.yaml``, one file for each GPU and scale.
A plan uses the seconds per image in it, for training and detection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from seesaw.core import paths
from seesaw.core.yaml import Strict, read_model, read_yaml
from seesaw.spec import experiments
from seesaw.spec.scales import Scale

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
        if content.get("scale") == scale.name and gpu.lower() in device.lower():
            training, detection = (_seconds(content, name) for name in ("training", "detection"))
            for loader in (content.get("loader") or {}).values():
                for name in training.keys() & loader.get("trainings", ()):
                    training[name] = max(training[name], 1 / loader["images_per_second"])
            return Measured(training, detection)
    return Measured()


def repeats(config: Path) -> bool:
    """Whether a training's config samples its images with the repeat factor sampler."""
    files = experiments.config_files(config)
    return any("ClassBalancedDataset" in file.read_text(encoding="utf-8") for file in files)


def _seconds(content: dict[str, Any], section: str) -> dict[str, float]:
    """Return name -> seconds per image; failed measurements have none and are left out."""
    found = (content.get(section) or {}).items()
    return {name: m["seconds_per_image"] for name, m in found if "seconds_per_image" in m}
