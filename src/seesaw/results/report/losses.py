"""The losses of a training that the reference keeps: its run log, thinned and without times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from pathlib import Path

from pydantic import Field, PositiveInt, model_validator

from seesaw.core.integrity import read_output
from seesaw.core.yaml import Strict
from seesaw.results.report.curves import BINS, binned

LINES = 2 * BINS  # a run log of at most so many lines gives the same curves


class Losses(Strict):
    """Columns of a run log: iterations, learning rates, and the sums of each kind of loss.

    They are equally long; None stands for what is not finite.
    """

    iter: list[PositiveInt] = Field(min_length=1)
    lr: list[float | None]
    losses: dict[str, list[float | None]]

    @model_validator(mode="after")
    def _equally_long(self) -> Losses:
        if any(len(column) != len(self.iter) for column in (self.lr, *self.losses.values())):
            raise ValueError("iter, lr and the losses are as many numbers")
        return self


def path(weights: Path) -> Path:
    """Return the path of the losses, beside the place of the weights."""
    return weights.with_name("losses.json")


def term(kind: str) -> str:
    """Return the name under which a run log would hold the sum of a kind of loss."""
    return "loss" if kind == "total" else f"loss_{kind}"


def thinned(steps: list[dict]) -> str:
    """Return the losses of a run log's steps, of which there is one at least, as JSON.

    A longer run log is averaged over `LINES` parts; the last iteration is always the training's.
    """
    iterations, sums, rates = binned(steps, LINES)
    numbers = [*map(round, iterations.tolist()[:-1]), steps[-1]["iter"]]
    losses = {term(kind): _column(values) for kind, values in sums.items()}
    content = {"iter": numbers, "lr": _column(rates), "losses": losses}
    return json.dumps(content, separators=(",", ":")) + "\n"


def read(file: Path) -> list[dict]:
    """Return the losses as the steps of a run log.

    Raises:
        UserError: the file is missing or damaged.
    """
    found: Losses = read_output(file, Losses)
    columns: dict[str, list] = {"iter": found.iter, "lr": found.lr, **found.losses}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _column(values: Iterable[float]) -> list[float | None]:
    return [float(f"{value:.5g}") if isfinite(value) else None for value in values]
