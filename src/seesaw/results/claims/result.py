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
    """A claim and what was measured for it."""

    claim: Claim  # the entry of configs/claims.yaml
    unit: Literal["AP", "x"]  # "AP": points of AP, effect = b - a; "x": a factor, effect = b / a
    asked: list[int]  # the seeds on which the claim is to be tested; empty for speed
    runs: list[Run] = []  # the seeds or rounds that have results for both a and b
    effect: float | None = None  # mean over all runs, of factors the geometric; None without runs
    se: float | None = None  # standard error of the effect; of a factor's natural logarithm
    low: float | None = None  # lower end of the 95 % interval
    high: float | None = None  # upper end of the 95 % interval
    # run-to-run standard deviation in points of AP, pooled over the claims' evaluations
    spread: float | None = None
    assumed: bool = False  # whether ``spread`` is assumed, since too few runs exist
    state: State = "not run"  # the verdict is valid only where this is "done"
    verdict: Verdict | None = None  # None where the claim could not be judged
    note: str = ""  # why a result is missing


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
