"""The numbers that the preflight expects (configs/preflight.yaml): schema and look-up."""

from __future__ import annotations

from seesaw.core import paths
from seesaw.core.yaml import Strict, read_model
from seesaw.spec.site import one_spelling

FILE = paths.CONFIGS / "preflight.yaml"


class Dataset(Strict):
    """The expected counts of a dataset's files; an iteration has 16 images."""

    images: dict[str, int]
    filtered: int
    categories: int
    frequency: dict[str, int]
    epoch: dict[str, int]
    repeated: int
    largest_factor: float
    eql_tail: int
    bags_groups: list[int]


class Memory(Strict):
    """How the bytes that a training keeps relate to the memory of a GPU, in GB."""

    factor: float
    context: float
    gpus: dict[str, float]

    def of(self, gpu: str) -> float | None:
        """Return a GPU's memory by the longest known name that ``gpu`` contains (a100, not a10)."""
        known = sorted((n for n in self.gpus if n in one_spelling(gpu)), key=len)
        return self.gpus[known[-1]] if known else None


class Expected(Strict):
    """The content of configs/preflight.yaml."""

    datasets: dict[str, Dataset]
    iterations: dict[str, dict[str, dict[str, int]]]
    macs: dict[str, dict[str, float]]
    memory: Memory


def load() -> Expected:
    """Read and check the file.

    Raises:
        UserError: the file is missing or invalid; the message names file, key and fix.
    """
    return read_model(FILE, Expected)
