"""The data model of claims.json, from which the committed page is made."""

from __future__ import annotations

from typing import Literal

from seesaw.core.yaml import Strict
from seesaw.spec.claims import Claim, Curve, Design

Verdict = Literal["supported", "not shown", "contradicted"]
State = Literal["done", "incomplete", "not run", "failed", "undefined"]


class Run(Strict):
    """The values a and b of one seed (for speed: of one round) and their difference or ratio."""

    seed: int
    a: float
    b: float
    effect: float


class Found(Strict):
    """A claim and what was measured for it.

    Attributes:
        claim: the entry of configs/claims.yaml.
        unit: "AP": points of AP, effect = b - a; "x": a factor, effect = b / a.
        asked: the seeds on which the claim is to be tested; empty for speed.
        runs: the seeds or rounds that have results for both a and b.
        effect: the mean over all runs (for factors the geometric mean); None without runs.
        se: standard error of the effect; for a factor, that of its natural logarithm.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        spread: run-to-run standard deviation in points of AP, pooled over the claims' evaluations.
        assumed: whether ``spread`` is assumed, since too few runs exist.
        state: the verdict is valid only where this is "done".
        verdict: None where the claim could not be judged.
        note: why a result is missing.
    """

    claim: Claim
    unit: Literal["AP", "x"]
    asked: list[int]
    runs: list[Run] = []
    effect: float | None = None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    assumed: bool = False
    state: State = "not run"
    verdict: Verdict | None = None
    note: str = ""


class Report(Strict):
    """All claims at a scale, and whether their design is the frozen one."""

    scale: str
    seeds: list[int]
    frozen: str | None
    design: str | None
    designs: list[Design]
    claims: list[Found]
    curves: list[Curve] = []

    @property
    def exploratory(self) -> bool:
        """Whether the results come from a design that had not been frozen before."""
        return self.frozen is None or self.design != self.frozen

    @property
    def complete(self) -> bool:
        """Whether every claim has all of its runs."""
        return all(f.state in ("done", "undefined") for f in self.claims)
