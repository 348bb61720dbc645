"""The table of claims (configs/claims.yaml): schema, and the runs that claims need."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from seesaw.core import paths
from seesaw.core.names import instead
from seesaw.core.yaml import Strict, read_model
from seesaw.errors import UserError
from seesaw.spec import experiments
from seesaw.spec.experiments import Experiments, Seeds
from seesaw.spec.metrics import Metric
from seesaw.spec.scales import Scale

Band = Literal["r", "c", "f"]
# The keys of each kind of claim, in addition to id, says, where, kind, pair and seeds.
OWN = {
    "gain": {"metric"},
    "no_loss": {"metric", "margin"},
    "gradient_ratio": {"bands", "expect"},
    "faster": {"mode"},
}


class Claim(Strict):
    """A claim that compares evaluation b with a, ``pair`` = (a, b); ``margin`` is in AP points."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    says: str
    where: str
    kind: Literal["gain", "no_loss", "gradient_ratio", "faster"]
    pair: tuple[str, str]
    seeds: Seeds | None = None
    metric: Metric | None = None
    margin: float | None = Field(default=None, gt=0)
    bands: tuple[Band, Band] | None = None
    expect: Literal["above", "below"] | None = None
    mode: Literal["ours", "mmdet", "old"] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Claim:
        given = {name for own in OWN.values() for name in own if getattr(self, name) is not None}
        if given != OWN[self.kind]:
            said = f"a claim of kind {self.kind} has {' and '.join(sorted(OWN[self.kind]))}"
            raise ValueError(f"{said}, no other setting")
        if self.kind == "faster" and self.seeds is not None:
            raise ValueError("speed is timed on one seed's weights: it has no seeds")
        bands = self.bands or ("", "")
        if (self.pair[0], bands[0]) == (self.pair[1], bands[1]):
            raise ValueError(f"{self.pair[0]} is compared with itself")
        return self


class Design(Strict):
    """A design that was tried before the claims' seeds were run; numbers are AP in percent."""

    name: str
    change: str
    seed: int = Field(ge=100)
    results: dict[str, dict[Metric, float]]
    chosen: bool = False


class Curve(Strict):
    """AP of a claim's pair by the length of a training, for a step that does not show.

    ``epochs`` are those of the schedule 2x; ``a`` and ``b`` are AP in percent at these lengths,
    under ``design``.
    """

    claim: str
    design: str
    seed: int = Field(ge=100)
    epochs: list[float] = Field(min_length=3)
    a: list[float]
    b: list[float]

    @model_validator(mode="after")
    def _equally_long(self) -> Curve:
        if not len(self.epochs) == len(self.a) == len(self.b):
            raise ValueError("epochs, a and b are as many numbers")
        return self


class Claims(Strict):
    """The content of configs/claims.yaml."""

    scale: str
    seeds: Seeds
    frozen: str | None = Field(pattern=r"^[0-9a-f]{16}$")
    designs: list[Design] = []
    claims: list[Claim]
    curves: list[Curve] = []

    def seeds_of(self, claim: Claim) -> list[int]:
        """Return the seeds of a claim; a claim about speed has none."""
        return [] if claim.kind == "faster" else claim.seeds or self.seeds

    @cached_property
    def evaluated(self) -> dict[str, list[int]]:
        """Evaluation -> the seeds for which a claim needs its metrics."""
        return self._seeds("gain", "no_loss")

    @cached_property
    def runs(self) -> list[tuple[str, int, bool]]:
        """Evaluation, seed, and whether the claims need its training's gradients, not its AP."""
        found = []
        for asked, gradients in ((self.evaluated, False), (self._seeds("gradient_ratio"), True)):
            found += [(name, seed, gradients) for name, seeds in asked.items() for seed in seeds]
        return found

    def trained(self, table: Experiments) -> dict[str, list[int]]:
        """Training -> the seeds that claims need, also for trainings that start from its model."""
        found: dict[str, set[int]] = {}
        for name, seed, _ in self.runs:
            training = table.trainings[table.evaluations[name].training]
            for one in filter(None, (training.id, training.init_from)):
                found.setdefault(one, set()).add(seed)
        return {name: sorted(seeds) for name, seeds in found.items()}

    def _seeds(self, *kinds: str) -> dict[str, list[int]]:
        found: dict[str, set[int]] = {}
        for claim in self.claims:
            for name in claim.pair if claim.kind in kinds else ():
                found.setdefault(name, set()).update(self.seeds_of(claim))
        return {name: sorted(seeds) for name, seeds in found.items()}


def load() -> Claims:
    """Read the claims.

    Raises:
        UserError: the file is missing or invalid; the message names file, row, value and fix.
    """
    return read_model(paths.CLAIMS, Claims)


def of(scale: Scale) -> Claims | None:
    """Return the claims that a scale tests, or None.

    The result is None at another scale, on another dataset, and where the file is missing.

    Raises:
        UserError: as in `load`, or a row does not fit the experiment table.
    """
    path, table = paths.CLAIMS, scale.table
    if not path.is_file() or (claims := load()).scale != scale.full_name:
        return None
    seen: set[str] = set()
    # a table of the reference lacks the rows that were added after it
    timed = {cell.evaluation for cell in experiments.load().place_cells("table_a2")}
    for claim in claims.claims:
        if claim.id in seen:
            raise UserError(f"{path}: the claim {claim.id} stands there twice; rename one.")
        seen.add(claim.id)
        for name in claim.pair:
            if name not in table.evaluations or table.evaluations[name].split != "val":
                known = ", ".join(e.id for e in table.evaluations.values() if e.split == "val")
                raise UserError(
                    f"{path}: the claim {claim.id} names {name!r}, which is no evaluation on val; "
                    f"use one of {known}."
                )
            if claim.kind == "faster" and name not in timed:
                raise UserError(
                    f"{path}: the claim {claim.id} is about the speed of {name}, but the models of "
                    f"Table A2 are timed; {instead(name, timed)}"
                )
    if odd := next((curve.claim for curve in claims.curves if curve.claim not in seen), None):
        raise UserError(f"{path}: curves: {odd!r} is no claim; {instead(odd, seen)}")
    return claims


def training_seeds(scale: Scale) -> dict[str, list[int]]:
    """Training -> all seeds trained at a scale: first the experiment table's, then the claims'."""
    table, claims = scale.table, of(scale)
    asked = claims.trained(table) if claims else {}
    return {
        t.id: list(dict.fromkeys([*t.seeds, *asked.get(t.id, ())]))
        for t in table.trainings.values()
    }


def files(scale: Scale, claims: Claims) -> dict[str, dict[str, Path]]:
    """Return the input files of the claims: kind -> ``<evaluation>/seed<k>`` (or name) -> file.

    The kinds are ``metrics``, ``replicates``, ``gradients``, ``counts`` (by which categories are
    rare, common or frequent) and ``speed``. Evaluations without a config are left out.
    """
    table = scale.table
    found: dict[str, dict] = {"metrics": {}, "replicates": {}, "gradients": {}}
    for name, seed, gradients in claims.runs:
        e, key = table.evaluations[name], f"{name}/seed{seed}"
        if gradients and table.built(name):
            found["gradients"][key] = scale.gradients(e, seed)
        elif table.built(name):
            found["metrics"][key] = scale.metrics(e, seed)
            found["replicates"][key] = scale.replicates(e, seed)
    if found["gradients"]:
        found["counts"] = {"category_counts": scale.entry.category_counts}
    if any(claim.kind == "faster" for claim in claims.claims):
        found["speed"] = {"speed": scale.speed}
    return found


def outputs(scale: Scale) -> dict[str, Path]:
    """Format -> file of the claims' results."""
    return {kind: scale.results / "claims" / f"claims.{kind}" for kind in ("json", "md", "csv")}


def kept_runs(reference: Path) -> Path:
    """Return the folder of the runs that a reference keeps for claims alone, as in results."""
    return reference / "claims" / "runs"


def elsewhere(scale: Scale) -> str:
    """Return the message that a scale tests no claim."""
    return f"{paths.CLAIMS} is about the scale {load().scale}, not {scale.full_name}; use that."
