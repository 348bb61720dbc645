"""Compare results here with the reference, row by row: verdicts, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from statistics import stdev
from typing import Literal, NamedTuple

from seesaw.core.records import record_of
from seesaw.results.claims import page
from seesaw.results.tables.collect import collect
from seesaw.results.tables.tables import Row, Table
from seesaw.results.tables.verdicts import FACTOR, pooled_spread
from seesaw.spec.scales import Scale
from seesaw.workflow.reference import frozen_places

Verdict = Literal[
    "identical", "within the spread of seeds", "outside the spread of seeds", "different"
]
WITHIN: Verdict = "within the spread of seeds"
OUTSIDE: Verdict = "outside the spread of seeds"
UNJUDGED: Verdict = "different"  # at a scale of which no spread is known
DATA = ("manifest", "annotations")  # names of inputs in records
UNNAMED = "the records name no difference in data, code, processor or versions"


class Difference(NamedTuple):
    """A cell that differs: numbers in the column's unit, or states; None where undefined."""

    column: str
    reference: float | str | None
    here: float | str | None
    # the largest difference that other seeds explain (see `reruns`); None if unknown
    noise: float | None

    @property
    def explained(self) -> bool:
        """Whether other seeds explain the difference."""
        if self.noise is None or not isinstance(self.here, float):
            return False
        return isinstance(self.reference, float) and abs(self.here - self.reference) <= self.noise


class Rerun(NamedTuple):
    """A row that was computed here and in the reference."""

    id: str  # id of the evaluation
    verdict: Verdict  # the verdict on all of its cells
    cells: list[Difference]  # the cells that are not equal
    # what differs according to the records of the row's model, detections and metrics: data, code,
    # config, processor or versions -> how
    differs: dict[str, str]


def reruns(scale: Scale) -> dict[str, list[Rerun]]:
    """Return table -> rows of the reference that were computed here, in order.

    Two means over m and n seeds differ by more than FACTOR · spread · √(1/m + 1/n) in one of 20
    cases by chance; spread is the reference's standard deviation between seeds. Speed is not
    compared, because it depends on the machine. A cell that was not run here is left out.

    Raises:
        UserError: there is no reference at this scale, or a result is damaged.
    """
    frozen, found = scale.frozen(), {}
    several = _repeated(scale)
    for place in frozen_places(scale):
        reference = collect(place, frozen)
        here = {row.id: row for row in collect(place, scale).rows}
        pairs = [(row, here[row.id]) for row in reference.rows if row.id in here]
        columns = [column for column in reference.metrics if column != "fps"]
        noise = {c: _spread(c, reference, several, scale) for c in columns}
        found[place] = [made for pair in pairs if (made := _rerun(*pair, noise, scale))]
    return found


def _repeated(scale: Scale) -> dict[tuple[str, str], dict[int, float]]:
    """Return (metric, evaluation) -> seed -> value, of all of the reference's claims."""
    known = page.reference(scale)
    found: dict[tuple[str, str], dict[int, float]] = {}
    for claim in known.claims if known else ():
        if metric := claim.claim.metric:
            for name, side in zip(claim.claim.pair, ("a", "b"), strict=True):
                values = {run.seed: getattr(run, side) for run in claim.runs}
                found.setdefault((metric, name), {}).update(values)
    return found


def _spread(column: str, table: Table, several: dict, scale: Scale) -> float | None:
    """Return the standard deviation between seeds, pooled over the reference's trainings.

    Of the evaluations of one training, whose weights are the same, one counts.
    """
    found = [
        (name, len(values), stdev(values.values()))
        for (metric, name), values in several.items()
        if metric == column and len(values) > 1
    ]
    errors = [(row.id, row.errors[column]) for row in table.rows if column in row.errors]
    found += [(name, e.seeds, e.spread) for name, e in errors if e.spread is not None]
    known = scale.table.evaluations
    runs: dict[str, tuple[int, float]] = {}
    for name, seeds, own in found:
        # a claim may be about a row that has been removed since
        training = known[name].training if name in known else name
        runs.setdefault(training, (seeds, own))
    spread = pooled_spread(runs.values(), column, scale.name)
    return spread.value if spread else None


def _rerun(old: Row, new: Row, spreads: dict[str, float | None], scale: Scale) -> Rerun | None:
    """Return the verdict on a row; None if nothing of it was computed here."""
    columns = [column for column in spreads if new.column_state(column) != "not run"]
    if not columns:
        return None
    counts = [len(row.evidence) for row in (old, new)]
    apart = sqrt(sum(1 / n for n in counts)) if all(counts) else 0.0
    cells = []
    for column in columns:
        before, now = (_value(row, column) for row in (old, new))
        if before != now:
            spread = spreads[column]
            noise = FACTOR * spread * apart if spread and apart else None
            cells.append(Difference(column, before, now, noise))
    verdict: Verdict = "identical"
    if cells:
        judged = old.state != new.state or any(cell.noise for cell in cells)
        inside = all(cell.explained for cell in cells)
        verdict = WITHIN if inside else OUTSIDE if judged else UNJUDGED
    return Rerun(old.id, verdict, cells, _differs(old, new, scale))


def _value(row: Row, column: str) -> float | str | None:
    state = row.column_state(column)
    return row.value(column) if state == "done" else state


def _differs(old: Row, new: Row, scale: Scale) -> dict[str, str]:
    """Compare the records of two rows' artefacts over the seeds that both have."""
    found: dict[str, dict[str, None]] = {}
    frozen = scale.frozen()
    evaluation = scale.table.evaluations[old.id]
    for seed in sorted(old.evidence.keys() & new.evidence.keys()):
        paths = [s.chain(evaluation, seed) for s in (frozen, scale)]
        for pair in zip(*paths, strict=True):
            records = [record_of(path) for path in pair]
            for name, text in _compared(*(record or {} for record in records)):
                found.setdefault(name, {})[text] = None
    return {name: ", ".join(texts) for name, texts in found.items()}


def _compared(old: dict, new: dict) -> Iterator[tuple[str, str]]:
    """Yield what differs between two records, and how; a field that one lacks is unknown."""

    def unlike(name: str) -> bool:
        return None not in (values := [r.get(name) for r in (old, new)]) and len({*values}) > 1

    inputs = [{k: v["sha256"] for k, v in (r.get("inputs") or {}).items()} for r in (old, new)]
    data = [k for k in DATA if k in inputs[0].keys() & inputs[1].keys()]
    data = [k for k in data if inputs[0][k] != inputs[1][k]]
    yield from (("data", k) for k in data)
    if unlike("config_hash"):
        yield "config", "another one"
    elif unlike("fingerprint") and not data:  # a fingerprint is that of config, data and code
        yield "code", "another state"
    if unlike("processor"):
        yield "processor", f"{new['processor']} here, {old['processor']} in the reference"
    elif new and None in (old.get("processor"), new.get("processor")):
        yield "processor", "unknown in the reference" if new.get("processor") else "unknown here"
    versions = [r.get("versions") or {} for r in (old, new)]
    for name in sorted(versions[0].keys() & versions[1].keys()):
        if versions[0][name] != versions[1][name]:
            yield "versions", f"{name} {versions[1][name]} here, {versions[0][name]} there"
    if unlike("lock"):
        yield "versions", "another requirements.lock"
