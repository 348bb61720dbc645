"""Measures each claim on the results: effect, standard error, 95 % interval and verdict."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, hypot, isfinite, log, sqrt
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from seesaw.core.integrity import corrupted
from seesaw.core.records import failure_of
from seesaw.errors import UserError
from seesaw.evaluation import replicates, uncertainty
from seesaw.results.claims.result import Found, Report, Run, State, Verdict
from seesaw.results.claims.runs import Results
from seesaw.results.figures.gradients import gradients
from seesaw.results.figures.results import categories
from seesaw.results.tables.collect import DIGITS, PERCENT, read, trainings_between
from seesaw.results.tables.verdicts import FACTOR, Spread
from seesaw.spec.claims import Claim, Claims
from seesaw.spec.metrics import METRICS
from seesaw.spec.outputs import Counts, Speed
from seesaw.spec.scales import Scale


class Measured(NamedTuple):
    """The runs of a claim and what they give."""

    runs: list[Run]
    # effect, standard error, low and high end of the interval; of a factor in logarithms
    numbers: tuple[float, float, float, float] | None = None
    spread: Spread | None = None
    undefined: str = ""  # why there are no numbers, unless for want of runs


def decide(claim: Claim, low: float, high: float) -> Verdict:
    """Return the verdict that a 95 % interval implies.

    The interval is in points of AP or in the logarithm of a factor.
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

    ``design`` is its current hash. A run is left out if a record of it has another fingerprint than
    ``known``, the current ones.

    Raises:
        UserError: a result is damaged.
    """
    results = Results(scale, claims, known)
    how = {"gain": _difference, "no_loss": _difference, "faster": _speed}
    how["gradient_ratio"] = _gradients
    return Report(
        scale=scale.full_name,
        seeds=claims.seeds,
        frozen=claims.frozen,
        design=design,
        designs=claims.designs,
        claims=[_found(c, how[c.kind](c, results), results) for c in claims.claims],
        curves=claims.curves,
    )


def _difference(claim: Claim, results: Results) -> Measured:
    """Return the difference b - a in points of AP, paired over images and seeds."""
    assert claim.metric  # claims about AP always have a metric
    table, (kind, key) = results.scale.table, METRICS[claim.metric]
    evaluations = [table.evaluations[name] for name in claim.pair]
    runs, pairs = [], []
    for seed in results.claims.seeds_of(claim):
        content = [results.metrics[name, seed] for name in claim.pair]
        if not all(content):
            continue
        holders = [results.of(name, seed) for name in claim.pair]
        drawn = [h.replicates(e, seed) for h, e in zip(holders, evaluations, strict=True) if h]
        if corrupted(drawn) or not all(path.is_file() for path in drawn):
            continue
        a, b = (c[kind][key] for c in content)
        if a is None or b is None:
            return Measured([], undefined=f"{claim.metric} is undefined")
        runs.append(Run(seed=seed, a=_ap(a), b=_ap(b), effect=_ap(b - a)))
        pairs.append([replicates.load(*both) for both in zip(drawn, content, strict=True)])
    if not runs:
        return Measured(runs)
    try:
        made = uncertainty.paired_difference(*zip(*pairs, strict=True))[claim.metric]
    except UserError as error:
        raise UserError(f"{' and '.join(claim.pair)}: {error}") from None
    if made is None:
        return Measured(runs, undefined="too few replicates")
    # Runs are few, so the spread is pooled, as for the tables' verdicts: docs/verdicts.md.
    between = trainings_between(*claim.pair, table)
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
    return Measured(runs, (made.value, se, low, high), spread)


def _gradients(claim: Claim, results: Results) -> Measured:
    """Return the ratio of two groups' gradient ratios; gradients are summed by group and seed."""
    rows = categories(read(results.counts, Counts))
    runs = []
    for seed in results.claims.seeds_of(claim):
        content = [results.gradients(name, seed) for name in claim.pair]
        if not rows or not all(content):
            continue
        assert claim.bands  # claims about gradients always have bands
        a, b = (
            gradients([c], rows).pooled(np.array([row.group == band for row in rows]))
            for c, band in zip(content, claim.bands, strict=True)
        )
        kept = _round(a), _round(b)  # of which `_factor` takes the logarithm
        if not (isfinite(a) and isfinite(b) and min(kept) > 0):
            ratios = "a ratio is {:g}, the other {:g}".format(*kept)
            return Measured([], undefined=f"seed {seed}: {ratios}")
        runs.append(Run(seed=seed, a=kept[0], b=kept[1], effect=_round(b / a)))
    return _factor(runs)


def _speed(claim: Claim, results: Results) -> Measured:
    """Return images/s of b over a for each round; a round times all models on the same images."""
    timing = read(results.speed, Speed) if results.speed else {}
    rounds = timing.get("rounds", {}).get(claim.mode, {})
    pairs = zip(*(rounds.get(name, ()) for name in claim.pair), strict=False)
    runs = [Run(seed=n, a=a, b=b, effect=_round(b / a)) for n, (a, b) in enumerate(pairs)]
    return _factor(runs)


def _factor(runs: list[Run]) -> Measured:
    if len(runs) == 1:
        return Measured(runs, undefined="one run has no spread")
    return Measured(runs, interval([log(run.b / run.a) for run in runs]) if runs else None)


def _found(claim: Claim, measured: Measured, results: Results) -> Found:
    """Return a claim with its state and verdict."""
    runs, numbers, spread, undefined = measured
    seeds = results.claims.seeds_of(claim)
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
    elif not complete and (failure := _failure(claim, results)):
        state, found["note"] = "failed", failure
    if state != "failed" and (stale := _stale(claim, results)):
        found["note"] = f"{', '.join(stale)}: of other code, configs or weights than now"
    return Found(**found, state=state)


def _stale(claim: Claim, results: Results) -> list[str]:
    """Return the outdated runs of a claim that nothing in the reference replaces."""
    if claim.kind == "faster":
        speed = results.scale.speed
        return [speed.name] if results.speed is None and speed.is_file() else []
    counted, seeds = claim.kind == "gradient_ratio", results.claims.seeds_of(claim)
    runs = [(name, seed) for name in dict.fromkeys(claim.pair) for seed in seeds]
    missing = [run for run in runs if results.of(*run, counted) is None]
    return [f"{name}/seed{k}" for name, k in missing if results.outdated(name, k, counted)]


def _failure(claim: Claim, results: Results) -> str:
    """Return the error message of the first failed or damaged run of a claim; "" if there is none.

    Of a run that is read from the reference, a failed attempt here does not count.
    """
    scale, counted = results.scale, claim.kind == "gradient_ratio"
    made = [scale.speed, *filter(None, [results.speed])] if claim.kind == "faster" else []
    for name in claim.pair:
        for seed in results.claims.seeds_of(claim):
            holder = results.of(name, seed, counted) or scale
            made += holder.chain(scale.table.evaluations[name], seed)
            made.append(results.path(holder, name, seed, counted))
    for path in made:
        if record := failure_of(path):
            inside = path.is_relative_to(scale.results)  # else it is the reference's
            name = path.relative_to(scale.results) if inside else path
            return f"{name}: {record.get('error')}"
    return corrupted([*made, results.counts] if counted else made) or ""


def _ap(value: float) -> float:
    return _round(PERCENT * value)


def _round(value: float) -> float:
    return round(value, DIGITS)
