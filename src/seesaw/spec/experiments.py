"""The experiment table (configs/experiments.yaml): schema, look-ups and paths of results."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterable
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from seesaw.core import paths
from seesaw.core.names import instead, unique
from seesaw.core.yaml import Strict, keyed, read_model, read_yaml
from seesaw.errors import UserError
from seesaw.spec.metrics import Column, Overall

PLACES = ("table_a1", "table_a2", "figure_a2")


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds) or min(seeds) < 0 or max(seeds) >= 2**32:
        raise ValueError("seeds are distinct, not negative, and of 32 bits")
    return seeds


Seeds = Annotated[list[int], Field(min_length=1), AfterValidator(_distinct)]


class Place(Strict):
    """A table or figure of the paper."""

    title: str
    heading: str
    columns: list[Column]
    increments: list[Overall] = []

    @model_validator(mode="after")
    def _increments_are_shown(self) -> Place:
        if hidden := [name for name in self.increments if name not in self.columns]:
            raise ValueError(f"increments has {hidden[0]}, which is not among columns")
        return self


class Training(Strict):
    """A training, which gives one model per seed; its config is ``configs/*/<id>.py``."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    schedule: Literal["1x", "2x", "45e"]
    seeds: Seeds = [0]
    init_from: str | None = None
    cell: dict[str, str] = {}

    @cached_property
    def config(self) -> Path | None:
        """The config file, or None if the training has none yet."""
        return config_file(self.id)


class Evaluation(Strict):
    """An evaluation of a training's model on a split with the inference settings of ``config``."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    training: str
    split: Literal["val", "test_dev"] = "val"
    config: str | None = None

    @cached_property
    def config_path(self) -> Path | None:
        """The config file with this evaluation's inference settings, or None if it is missing."""
        return config_file(self.config or self.training)


class Cell(Strict):
    """A row of a table or figure, and the evaluation whose metrics it shows."""

    place: str
    evaluation: str
    label: str
    schedule: str | None = None


class _File(Strict):
    places: dict[str, Place]
    trainings: dict[str, Training]
    evaluations: dict[str, Evaluation] = {}
    cells: list[Cell] = []


def config_file(stem: str) -> Path | None:
    """Return the path ``configs/<folder>/<stem>.py``, or None if there is no such file."""
    found = sorted(paths.CONFIGS.glob(f"[!_]*/{stem}.py"))
    if len(found) > 1:
        raise UserError(f"{found[0]} and {found[1]} share one id; rename one of them.")
    return found[0] if found else None


class Experiments:
    """The normalised experiment table.

    Every training has an evaluation on val, and every shorthand is expanded to a cell.
    """

    def __init__(self, file: _File, path: Path):
        self.path = path
        self.places = file.places
        self.trainings = file.trainings
        shorthand = {t: Evaluation(id=t, training=t) for t in file.trainings}
        if doubled := sorted(shorthand.keys() & file.evaluations.keys()):
            raise UserError(f"{path}: evaluation {doubled[0]} repeats a training's own; rename it.")
        self.evaluations = shorthand | file.evaluations
        self.cells = [
            Cell(place=place, evaluation=t.id, label=label, schedule=t.schedule)
            for t in file.trainings.values()
            for place, label in t.cell.items()
        ] + file.cells
        self._check()

    def _check(self) -> None:
        def known(kind: str, name: str, names: Iterable[str], where: str) -> None:
            if name not in names:
                problem = f"{where} names the unknown {kind} {name!r}"
                raise UserError(f"{self.path}: {problem}; {instead(name, names)}")

        for t in self.trainings.values():
            if t.init_from is not None:
                known("training", t.init_from, self.trainings, f"init_from of {t.id}")
                if t.init_from == t.id or self.trainings[t.init_from].init_from:
                    raise UserError(
                        f"{self.path}: init_from of {t.id} must name a training that starts "
                        f"from pre-trained weights, not {t.init_from}."
                    )
                if missing := sorted(set(t.seeds) - set(self.trainings[t.init_from].seeds)):
                    raise UserError(
                        f"{self.path}: {t.id} has seed {missing[0]}, which {t.init_from} lacks; "
                        f"add it there."
                    )
        if released := next((i for i in self.evaluations if i.startswith("zoo_")), None):
            raise UserError(
                f"{self.path}: {released} is named as a released model of configs/zoo.yaml; "
                "rename it."
            )
        for e in self.evaluations.values():
            known("training", e.training, self.trainings, f"evaluation {e.id}")
        for c in self.cells:
            known("place", c.place, self.places, f"the cell {c.label!r}")
            known("evaluation", c.evaluation, self.evaluations, f"the cell {c.label!r}")
            if self.evaluations[c.evaluation].split == "test_dev":
                raise UserError(
                    f"{self.path}: the cell {c.label!r} names {c.evaluation}, but test_dev has no "
                    "annotations to score it; name an evaluation on val."
                )
        timed = {c.evaluation for c in self.place_cells("table_a2")}
        for c in self.cells:
            if "fps" in self.places[c.place].columns and c.evaluation not in timed:
                raise UserError(
                    f"{self.path}: the cell {c.label!r} of {c.place} has no fps, for which rows "
                    "of table_a2 are timed; add it there or leave fps out of the columns."
                )

    def only(self, trainings: Collection[str], path: Path) -> Experiments:
        """Return the part of the table for some trainings; ``path`` is the file that names them.

        Raises:
            UserError: a training does not exist, or the training that it starts from is not named.
        """
        for name in trainings:
            if name not in self.trainings:
                problem = f"{path}: only: {name!r} is no training"
                raise UserError(f"{problem}; {instead(name, self.trainings)}")
            if (start := self.trainings[name].init_from) not in (None, *trainings):
                raise UserError(f"{path}: only: {name} starts from {start}; add that too.")
        part = copy(self)
        part.path = path
        part.trainings = {i: t for i, t in self.trainings.items() if i in trainings}
        kept = self.evaluations.items()
        part.evaluations = {i: e for i, e in kept if e.training in trainings}
        part.cells = [c for c in self.cells if c.evaluation in part.evaluations]
        return part

    def training(self, name: str) -> Training:
        """Return a training by its id or a unique prefix of it."""
        return self.trainings[self._unique("training", name, self.trainings)]

    def evaluation(self, name: str) -> Evaluation:
        """Return an evaluation by its id or a unique prefix of it."""
        return self.evaluations[self._unique("evaluation", name, self.evaluations)]

    def place_id(self, name: str) -> str:
        """Return the id of a table or figure by a unique prefix of it."""
        return self._unique("table or figure", name, self.places)

    def place_cells(self, place: str) -> list[Cell]:
        """Return the cells of a table or figure, in the order of its rows."""
        return [c for c in self.cells if c.place == place]

    @property
    def submissions(self) -> list[Evaluation]:
        """Return the evaluations on test-dev, which the server can score, the entry's own first."""
        return [e for e in self.evaluations.values() if e.split == "test_dev"]

    def on_split(self, name: str | None, split: str) -> Evaluation:
        """Return an evaluation, or the one of the same model and settings on another split.

        If ``name`` is None, the first of `submissions` is used.
        """
        if name is None and not self.submissions:
            raise UserError(f"{self.path}: no evaluation is on test_dev; add a row for one.")
        named = self.submissions[0] if name is None else self.evaluation(name)
        same = (named.training, named.config or named.training)
        for e in [named, *self.evaluations.values()]:
            if e.split == split and (e.training, e.config or e.training) == same:
                return e
        raise UserError(
            f"{self.path}: {named.id} has no evaluation on {split}; add under evaluations "
            f"`{split}_{named.id}: {{training: {same[0]}, split: {split}, config: {same[1]}}}`."
        )

    def seeds(self, evaluation: str) -> list[int]:
        """Return the seeds of an evaluation, which are those of its training."""
        return self.trainings[self.evaluations[evaluation].training].seeds

    def built(self, evaluation: str) -> bool:
        """Return whether the configs of an evaluation and of all its trainings exist."""
        return self.unbuilt(evaluation) is None

    def unbuilt(self, evaluation: str) -> str | None:
        """Return the first config that an evaluation and its trainings lack, or None."""
        e = self.evaluations[evaluation]
        for name in (self.trainings[e.training].init_from, e.training):
            if name and self.trainings[name].config is None:
                return name
        return None if e.config_path else e.config

    def _unique(self, kind: str, name: str, names: Iterable[str]) -> str:
        return unique(name, names, f"{self.path}: the {kind}")


def load(path: Path | None = None) -> Experiments:
    """Read and check the experiment table.

    Raises:
        UserError: the file is missing or invalid; the message names file, row, value and fix.
    """
    path = path or paths.EXPERIMENTS
    raw = read_yaml(path)
    for key in ("trainings", "evaluations"):
        if isinstance(rows := raw.get(key), dict):
            raw[key] = keyed(path, key, "id", rows)
    return Experiments(read_model(path, _File, raw), path)


def config_files(path: Path) -> set[Path]:
    """Return a config file and all files of this project from which it inherits."""
    found, bases = {path}, []
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_base_":
            bases = ast.literal_eval(statement.value)
    for base in [bases] if isinstance(bases, str) else bases:
        if "::" not in base:
            found |= config_files(Path(os.path.normpath(path.parent / base)))
    return found
