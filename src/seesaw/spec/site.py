"""The settings of a cluster from site.yaml, or the defaults if that file is missing."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from seesaw.core import paths
from seesaw.core.yaml import Strict, read_model, read_yaml
from seesaw.spec import scales

FILE = paths.ROOT / "site.yaml"
GPUS = {"single_gpu": 1, "paper": 8}  # GPUs of a training, unless site.yaml sets them
MOST = 1024  # no node or training has more: SLURM would wait for such a node for ever
Some = Annotated[int, Field(ge=1, le=MOST)]


class Site(Strict):
    """Settings that differ from cluster to cluster; site.yaml.example explains each key."""

    partition: str = ""
    cpu_partition: str = ""
    account: str = ""
    gpu_model: str = Field(default="", pattern=r"^[\w.+-]*$")
    gpus: dict[str, int] = Field(
        default={},
        validate_default=True,
        # editors suggest these, but take others
        json_schema_extra={"properties": {scale: {"type": "integer"} for scale in scales.OWN}},
    )
    gpus_per_node: Some = 8
    images_per_gpu: Some = 2
    cpus_per_gpu: Some = 8
    mem_mb_per_gpu: int = Field(default=32000, ge=1, le=100_000_000)
    segment: str = Field(default="24h", pattern=r"^\d+(\.\d+)?[mhd]$")
    setup: str = ""
    coco: str = ""
    wandb: Literal["off", "offline", "online"] = "off"

    @property
    def coco_folder(self) -> Path | None:
        """The folder of COCO that the file names, which may not exist."""
        # keeps the ~ of an unknown user
        return Path(os.path.expanduser(self.coco)) if self.coco else None

    @field_validator("wandb", mode="before")
    @classmethod
    def _off(cls, given: Any) -> Any:
        return "off" if given is False else given  # YAML reads a bare off as False

    @field_validator("segment")
    @classmethod
    def _some_time(cls, segment: str) -> str:
        minutes = float(segment[:-1]) * {"m": 1, "h": 60, "d": 1440}[segment[-1]]
        if not 1 <= minutes <= 366 * 1440:
            raise ValueError("a job takes from a minute to a year")
        return segment

    @field_validator("gpus")
    @classmethod
    def _over_defaults(cls, gpus: dict[str, int]) -> dict[str, int]:
        for scale in gpus.keys() - {*scales.OWN}:
            if not (paths.SCALES / f"{scale}.yaml").is_file():
                raise ValueError(f"{scale} is no scale: there is no {paths.SCALES / scale}.yaml")
        if low := next((scale for scale, count in gpus.items() if count < 0), None):
            raise ValueError(f"{low} is {gpus[low]}, but a training has 0 or more GPUs")
        if high := next((scale for scale, count in gpus.items() if count > MOST), None):
            raise ValueError(f"{high} is {gpus[high]}, but a training has at most {MOST} GPUs")
        return GPUS | gpus

    @model_validator(mode="after")
    def _whole_nodes(self) -> Site:
        for gpus in self.gpus.values():
            if gpus > self.gpus_per_node and gpus % self.gpus_per_node:
                raise ValueError("more GPUs than gpus_per_node must fill whole nodes")
        return self


def load(path: Path = FILE) -> Site:
    """Read the settings of the cluster.

    Raises:
        UserError: a key is unknown or its value is wrong.
    """
    if not path.is_file():
        return Site()
    return read_model(path, Site, read_yaml(path, empty=True))


def one_spelling(gpu: str) -> str:
    """Return a GPU's name in one spelling: SLURM's `nvidia_h200` is PyTorch's `NVIDIA H200`."""
    return re.sub(r"[^a-z0-9]", "", gpu.lower())
