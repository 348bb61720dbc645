"""What the claims came to: the content of claims.json, from which the committed page is made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from seesaw.spec.claims import Claim, Design

Verdict = Literal["supported", "not shown", "contradicted"]
State = Literal["done", "incomplete", "not run", "failed", "undefined"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(_Strict):
    """One seed (of speed: one round) of a claim: a, b and their difference or ratio."""

    seed: int
    a: float
    b: float
    effect: float


class Found(_Strict):
    """A claim and what the results say of it.

    Attributes:
        claim: the row.
        unit: "AP": points of AP, effect = b - a; "x": a factor, effect = b / a.
        asked: the seeds that it is to be tested on; none for speed.
        runs: those that have results on both sides.
        effect: over all runs, mean (of factors the geometric mean); None where there is none.
        se: its standard error; of a factor that of its natural logarithm.
        low: lower end of the 95 % interval.
        high: its upper end.
        spread: run-to-run standard deviation in points of AP that a single pair was given.
        assumed: whether that is assumed, not measured on the runs of other claims.
        state: the verdict counts only where this is "done".
        verdict: None where it could not be judged.
        note: why something is missing.
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


class Report(_Strict):
    """All claims at a scale, and whether their design is the frozen one."""

    scale: str
    seeds: list[int]
    frozen: str | None
    design: str | None
    designs: list[Design]
    claims: list[Found]

    @property
    def exploratory(self) -> bool:
        """Whether results are of a design that was not frozen before."""
        return self.frozen is None or self.design != self.frozen

    @property
    def complete(self) -> bool:
        """Whether every claim has all of its runs."""
        return all(f.state in ("done", "undefined") for f in self.claims)
