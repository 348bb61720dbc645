"""Measures each claim on the results: effect, standard error, 95 % interval and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import exp, hypot, isfinite, log, sqrt
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import stdtrit

from seesaw.core.integrity import corrupted
from seesaw.core.records import failure_of, is_current, record_of, recorded_hashes
from seesaw.errors import UserError
from seesaw.evaluation import replicates, uncertainty
from seesaw.results.claims.result import Found, Report, Run, State, Verdict
from seesaw.results.figures.gradients import gradients
from seesaw.results.figures.results import Category
from seesaw.results.tables.collect import DIGITS, PERCENT, read, trainings_between
from seesaw.results.tables.verdicts import FACTOR, Spread, pooled_spread
from seesaw.spec.claims import Claim, Claims, files, kept_runs
from seesaw.spec.metrics import METRICS
from seesaw.spec.outputs import Counts, Gradients, Metrics, Speed
from seesaw.spec.scales import Scale

GRADIENTS = "gradients.json"  # beside the weights of those trainings that count them


def decide(claim: Claim, low: float, high: float) -> Verdict:
    """Return the verdict that a 95 % interval implies.

    Args:
        claim: the claim.
        low: the interval's lower end, in points of AP or as the logarithm of a factor.
        high: its upper end.
    """
    if claim.expect == "below":
        low, high = -high, -low
    if high < 0:
        return "contradicted"
    bound = -(claim.margin or 0.0) if claim.kind == "no_loss" else 0.0
    return "supported" if low > bound else "not shown"


def interval(values: list[float]) -> tuple[float, float, float, float]:
    """Mean, standard error and 95 % interval (Student's t) of two or more values."""
    mean, se = float(np.mean(values)), float(np.std(values, ddof=1)) / sqrt(len(values))
    half = float(stdtrit(len(values) - 1, 0.975)) * se
    return mean, se, mean - half, mean + half


def report(
    scale: Scale,
    claims: Claims,
    design: str | None,
    known: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """Measure all claims on the results of a scale.

    Args:
        scale: the scale whose results are read.
        claims: the table of claims.
        design: current hash of the design; None if unknown.
        known: current fingerprints; a run is left out if its training's record has another one.

    Raises:
        UserError: a result is damaged.
    """
    results = Results(scale, claims, known)
    how = {"gain": _difference, "no_loss": _difference, "faster": _speed}
    how["gradient_ratio"] = _gradients
    found = []
    for claim in claims.claims:
        seeds = claims.seeds_of(claim)
        made = how[claim.kind](claim, seeds, results)
        runs = [(name, seed) for name in dict.fromkeys(claim.pair) for seed in seeds]
        missing = [run for run in runs if results.of(*run) is None]
        stale = [f"{name}/seed{seed}" for name, seed in missing if results.outdated(name, seed)]
        if stale and made.state != "failed":
            note = f"{', '.join(stale)}: of other code, configs or weights than now"
            made = made.model_copy(update={"note": note})
        found.append(made)
    return Report(
        scale=scale.full_name,
        seeds=claims.seeds,
        frozen=claims.frozen,
        design=design,
        designs=claims.designs,
        claims=found,
        curves=claims.curves,
    )


@dataclass(frozen=True)
class Results:
    """The results that claims are measured on; those of an outdated training are left out.

    A run that is not here is taken from the reference, if that has it of the same code and configs:
    so the runs can be made on several machines, one after the other.

    Args:
        scale: the scale.
        claims: the table of claims.
        known: current fingerprints; if empty, the reference is not read.
    """

    scale: Scale
    claims: Claims
    known: Mapping[str, str]

    @cached_property
    def kept(self) -> tuple[Scale, Scale]:
        """The reference's runs: those that only claims use, and those of tables and figures."""
        return self.scale.frozen(kept_runs(self.scale.reference)), self.scale.frozen()

    def of(self, name: str, seed: int, gradients: bool = False) -> Scale | None:
        """Return the scale that holds a run's metrics, or gradients: this one or the reference."""
        path = self._path(self.scale, name, seed, gradients)
        if path.is_file() and not self.outdated(name, seed):
            return self.scale
        kept = self.kept if self.known else ()
        return next((place for place in kept if self._current(place, name, seed)), None)

    def made(self, place: Scale, name: str, seed: int) -> dict[Path, str]:
        """Return the files of a run -> their keys among the fingerprints."""
        evaluation = self.scale.table.evaluations[name]
        start, own = self.scale.table.trainings[evaluation.training].init_from, evaluation.training
        *_, detections, metrics, matches, drawn = place.chain(evaluation, seed)
        return {
            **{place.model(t, seed): f"train/{t}/seed{seed}" for t in (start, own) if t},
            self._path(place, name, seed, gradients=True): f"train/{own}/seed{seed}",
            detections: f"detect/{name}",
            **dict.fromkeys((metrics, matches, drawn), "evaluate"),
        }

    def _path(self, place: Scale, name: str, seed: int, gradients: bool) -> Path:
        evaluation = self.scale.table.evaluations[name]
        if gradients:
            return place.model(evaluation.training, seed).with_name(GRADIENTS)
        return place.metrics(evaluation, seed)

    def _current(self, place: Scale, name: str, seed: int) -> bool:
        """Whether the reference has a run of the present code and configs."""
        made = self.made(place, name, seed).items()
        found = [(record_of(path), key) for path, key in made if path.name != GRADIENTS]
        return all(record and is_current(record, self.known.get(key)) for record, key in found)

    @property
    def speed(self) -> Path:
        """The file with the images per second."""
        here, kept = self.scale.speed, self.kept[1].speed
        current = is_current(record_of(kept), self.known.get("speed"))
        return kept if self.known and current and not here.is_file() else here

    @property
    def counts(self) -> Path:
        """The file with the categories' groups; a clone without data has the reference's."""
        path = self.scale.entry.category_counts
        return self.scale.reference / path.name if self.known and not path.is_file() else path

    @cached_property
    def files(self) -> dict[str, Path]:
        """Kind and name, as in `seesaw.spec.claims.files`, -> the file that is read, if any."""
        found = {}
        for kind, own in files(self.scale, self.claims).items():
            for name, path in own.items():
                evaluation, _, seed = name.partition("/seed")
                if kind in ("speed", "counts"):
                    path = getattr(self, kind)
                elif seed:
                    place = self.of(evaluation, int(seed), kind == "gradients") or self.scale
                    path = place.results / path.relative_to(self.scale.results)
                found[f"{kind}/{name}"] = path
        return {name: path for name, path in found.items() if path.is_file()}

    def outdated(self, name: str, seed: int) -> bool:
        """Whether an evaluation is of other code or configs than now, or of earlier weights."""
        evaluation = self.scale.table.evaluations[name]
        record = record_of(self.scale.model(evaluation.training, seed))
        if not is_current(record, self.known.get(f"train/{evaluation.training}/seed{seed}")):
            return True
        after = (self.scale.detections(evaluation, seed), self.scale.metrics(evaluation, seed))
        records = map(record_of, after)
        return not all(is_current(r, inputs=recorded_hashes(r)) for r in records)

    def metrics(self, name: str, seed: int) -> dict:
        """Return an evaluation's metrics; empty if there are none."""
        place = self.of(name, seed)
        return read(self._path(place, name, seed, False), Metrics) if place else {}

    def gradients(self, name: str, seed: int) -> dict:
        """Return the gradients of an evaluation's training; empty if there are none."""
        place = self.of(name, seed, gradients=True)
        return read(self._path(place, name, seed, True), Gradients) if place else {}

    def spread(self, metric: str) -> tuple[Spread | None, int]:
        """Return the pooled standard deviation between runs, and its degrees of freedom."""
        kind, key = METRICS[metric]
        several, counted = [], set()
        for name, seeds in self.claims.evaluated.items():
            training = self.scale.table.evaluations[name].training
            if training in counted:  # the same models in another evaluation
                continue
            counted.add(training)
            found = [self.metrics(name, seed).get(kind, {}).get(key) for seed in seeds]
            values = [PERCENT * value for value in found if value is not None]
            if len(values) > 1:
                several.append((len(values), float(np.std(values, ddof=1))))
        return pooled_spread(several, metric, self.scale.name), sum(n - 1 for n, _ in several)


def _difference(claim: Claim, seeds: list[int], results: Results) -> Found:
    """Return the difference b - a in points of AP, paired over images and seeds."""
    assert claim.metric  # claims about AP always have a metric
    scale, (kind, key) = results.scale, METRICS[claim.metric]
    evaluations = [scale.table.evaluations[name] for name in claim.pair]
    runs, pairs = [], []
    for seed in seeds:
        content = [results.metrics(name, seed) for name in claim.pair]
        if not all(content):
            continue
        places = [results.of(name, seed) for name in claim.pair]
        drawn = [p.replicates(e, seed) for p, e in zip(places, evaluations, strict=True) if p]
        if corrupted(drawn) or not all(path.is_file() for path in drawn):
            continue
        a, b = (c[kind][key] for c in content)
        if a is None or b is None:
            return _found(claim, seeds, [], scale, undefined=f"{claim.metric} is undefined")
        runs.append(Run(seed=seed, a=_ap(a), b=_ap(b), effect=_ap(b - a)))
        pairs.append([replicates.load(*both) for both in zip(drawn, content, strict=True)])
    if not runs:
        return _found(claim, seeds, runs, scale)
    try:
        made = uncertainty.paired_difference(*zip(*pairs, strict=True))[claim.metric]
    except UserError as error:
        raise UserError(f"{' and '.join(claim.pair)}: {error}") from None
    if made is None:
        return _found(claim, seeds, runs, scale, undefined="too few replicates")
    # Runs are few, so the spread is pooled, as for the tables' verdicts: docs/verdicts.md.
    between = trainings_between(*claim.pair, scale.table)
    spread, dof = results.spread(claim.metric) if between else (None, 0)
    if made.seeds > 1 and spread and spread.assumed:
        spread = None  # their own spread is better than an assumed one
    single = sqrt(between) * spread.value if spread else 0.0
    if made.seeds == 1:
        se = hypot(made.images, single)
        low, high = made.value - FACTOR * se, made.value + FACTOR * se
    else:
        made = made.with_spread(single, dof) if spread else made
        se, (low, high) = made.se, made.interval
    return _found(claim, seeds, runs, scale, (made.value, se, low, high), spread)


def _gradients(claim: Claim, seeds: list[int], results: Results) -> Found:
    """Return the ratio of two groups' gradient ratios; gradients are summed by group and seed."""
    scale = results.scale
    counts = read(results.counts, Counts)
    rows = [
        Category(c["id"], c["name"], c["frequency"], c["instance_count"])
        for c in counts.get("categories", ())
    ]
    runs = []
    for seed in seeds:
        content = [results.gradients(name, seed) for name in claim.pair]
        if not rows or not all(content):
            continue
        assert claim.bands  # claims about gradients always have bands
        a, b = (
            gradients([c], rows).pooled(np.array([row.group == band for row in rows]))
            for c, band in zip(content, claim.bands, strict=True)
        )
        if not (isfinite(a) and isfinite(b) and a > 0 and b > 0):
            reason = f"seed {seed}: a ratio is {a:g}, the other {b:g}"
            return _found(claim, seeds, [], scale, undefined=reason)
        runs.append(Run(seed=seed, a=_round(a), b=_round(b), effect=_round(b / a)))
    return _factor(claim, seeds, runs, scale)


def _speed(claim: Claim, seeds: list[int], results: Results) -> Found:
    """Return images/s of b over a for each round; a round times all models on the same images."""
    rounds = read(results.speed, Speed).get("rounds", {}).get(claim.mode, {})
    pairs = zip(*(rounds.get(name, ()) for name in claim.pair), strict=False)
    runs = [Run(seed=n, a=a, b=b, effect=_round(b / a)) for n, (a, b) in enumerate(pairs)]
    return _factor(claim, seeds, runs, results.scale)


def _factor(claim: Claim, seeds: list[int], runs: list[Run], scale: Scale) -> Found:
    if len(runs) == 1:
        reason = "one run has no spread"
        return _found(claim, seeds, runs, scale, undefined=reason)
    numbers = interval([log(run.b / run.a) for run in runs]) if runs else None
    return _found(claim, seeds, runs, scale, numbers)


def _found(
    claim: Claim,
    seeds: list[int],
    runs: list[Run],
    scale: Scale,
    numbers: tuple | list | None = None,
    spread: Spread | None = None,
    undefined: str = "",
) -> Found:
    """Return a claim with its verdict; numbers: effect, SE, low, high (logarithms for factors)."""
    unit = "AP" if claim.kind in ("gain", "no_loss") else "x"
    found: dict[str, Any] = dict(claim=claim, unit=unit, asked=seeds, runs=runs, note=undefined)
    if spread:
        found |= dict(spread=spread.value, assumed=spread.assumed)
    complete = len(runs) == len(seeds) if seeds else bool(runs)
    state: State = "done" if complete else "incomplete" if runs else "not run"
    if numbers:
        effect, se, low, high = numbers
        shown = [effect, low, high] if unit == "AP" else map(exp, (effect, low, high))
        found |= dict(zip(("effect", "low", "high"), map(_round, shown), strict=True))
        found |= {"se": _round(se), "verdict": decide(claim, low, high) if complete else None}
    if undefined and (complete or not runs):
        state = "undefined"
    elif not complete and (failure := _failure(claim, seeds, scale)):
        state, found["note"] = "failed", failure
    return Found(**found, state=state)


def _failure(claim: Claim, seeds: list[int], scale: Scale) -> str:
    """Return the error message of the first failed job of a claim's runs; "" if none failed."""
    made = [scale.speed] if claim.kind == "faster" else []
    for name in claim.pair:
        for seed in seeds:
            made += scale.chain(scale.table.evaluations[name], seed)
    for path in made:
        if record := failure_of(path):
            return f"{path.relative_to(scale.results)}: {record.get('error')}"
    return corrupted(made) or ""


def _ap(value: float) -> float:
    return _round(PERCENT * value)


def _round(value: float) -> float:
    return round(value, DIGITS)
