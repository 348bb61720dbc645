"""The runs that claims are measured on, from the results here or from the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seesaw.core.integrity import corrupted
from seesaw.core.records import is_current, record_of, recorded_hashes
from seesaw.results.tables.collect import PERCENT, read
from seesaw.results.tables.verdicts import Spread, pooled_spread
from seesaw.spec.claims import Claims, files, kept_runs
from seesaw.spec.metrics import METRICS
from seesaw.spec.outputs import Gradients, Metrics
from seesaw.spec.scales import Scale


@dataclass(frozen=True)
class Results:
    """The results that claims are measured on; outdated ones are left out.

    A run that is not here is taken from the reference, if that has it of the same code and configs:
    so the runs can be made on several machines, one after the other. Without ``known``, the current
    fingerprints, the reference is not read.
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
        here = self.path(self.scale, name, seed, gradients).is_file()
        if here and not self.outdated(name, seed, gradients):
            return self.scale
        kept = self.kept if self.known else ()
        return next((holder for holder in kept if self._holds(holder, name, seed, gradients)), None)

    def made(self, holder: Scale, name: str, seed: int, gradients: bool) -> dict[Path, str]:
        """Return the files of a run, or of its training -> their keys among the fingerprints."""
        evaluation = self.scale.table.evaluations[name]
        start, own = self.scale.table.trainings[evaluation.training].init_from, evaluation.training
        *_, detections, metrics, matches, drawn = holder.chain(evaluation, seed)
        models = {holder.model(t, seed): f"train/{t}/seed{seed}" for t in (start, own) if t}
        if gradients:
            return models | {self.path(holder, name, seed, True): f"train/{own}/seed{seed}"}
        of_evaluation = dict.fromkeys((metrics, matches, drawn), "evaluate")
        return models | {detections: f"detect/{name}"} | of_evaluation

    def path(self, holder: Scale, name: str, seed: int, gradients: bool = False) -> Path:
        """Return the file with a run's metrics, or gradients."""
        path_of = holder.gradients if gradients else holder.metrics
        return path_of(self.scale.table.evaluations[name], seed)

    def _holds(self, holder: Scale, name: str, seed: int, gradients: bool) -> bool:
        """Whether the reference has a run, or gradients, of the present code and configs."""
        made = self.made(holder, name, seed, gradients).items()
        found = [(record_of(path), key) for path, key in made]
        there = self.path(holder, name, seed, gradients).is_file()
        return there and all(_vouched(r) and is_current(r, self.known.get(key)) for r, key in found)

    @property
    def speed(self) -> Path | None:
        """The file with the images per second, here or of the reference, or None."""
        if self.scale.speed.is_file():
            record = record_of(self.scale.speed)
            if is_current(record, self.known.get("speed"), recorded_hashes(record)):
                return self.scale.speed
        return self.kept[1].speed if self.known and self._timed() else None

    def _timed(self) -> bool:
        """Whether the reference has a timing of the present models and code.

        Rows that Table A2 has got since do not outdate it.
        """
        table, models, kept = self.scale.table, {}, self.kept[1]
        record = record_of(kept.speed)
        for name in (record or {}).get("inputs") or {}:
            if name not in table.evaluations:
                continue
            training = table.evaluations[name].training
            seed = table.trainings[training].seeds[0]
            model = record_of(kept.model(training, seed))
            if not model or not is_current(model, self.known.get(f"train/{training}/seed{seed}")):
                return False
            models[name] = (model.get("artefact") or {}).get("sha256")
        there = kept.speed.is_file() and _vouched(record)
        return there and is_current(record, self.known.get("speed"), models)

    @property
    def counts(self) -> Path:
        """The file with the categories' groups; a clone without data has the reference's."""
        path = self.scale.entry.category_counts
        return self.scale.reference / path.name if self.known and not path.is_file() else path

    @cached_property
    def files(self) -> dict[str, Path]:
        """Kind and name, as in `seesaw.spec.claims.files`, -> the file that is read, if any.

        A damaged file is left out: the claim's note says so.
        """
        found: dict[str, Path | None] = {}
        for kind, own in files(self.scale, self.claims).items():
            for name, path in own.items():
                evaluation, _, seed = name.partition("/seed")
                if seed:
                    holder = self.of(evaluation, int(seed), kind == "gradients") or self.scale
                    found[f"{kind}/{name}"] = holder.results / path.relative_to(self.scale.results)
                else:
                    found[f"{kind}/{name}"] = self.speed if kind == "speed" else self.counts
        there = {name: path for name, path in found.items() if path and path.is_file()}
        return {name: path for name, path in there.items() if not corrupted([path])}

    def outdated(self, name: str, seed: int, gradients: bool = False) -> bool:
        """Whether a run here, or its training, is of other code, configs or inputs than now."""
        made = self.made(self.scale, name, seed, gradients)
        records = [(record_of(path), key) for path, key in made.items()]
        return not all(is_current(r, self.known.get(k), recorded_hashes(r)) for r, k in records)

    @cached_property
    def metrics(self) -> dict[tuple[str, int], dict]:
        """Evaluation and seed -> its metrics, empty if there are none, for all claims about AP."""
        runs = [(name, seed) for name, seeds in self.claims.evaluated.items() for seed in seeds]
        holders = {run: self.of(*run) for run in runs}
        return {
            run: read(self.path(holder, *run), Metrics) if holder else {}
            for run, holder in holders.items()
        }

    def gradients(self, name: str, seed: int) -> dict:
        """Return the gradients of an evaluation's training; empty if there are none."""
        holder = self.of(name, seed, gradients=True)
        return read(self.path(holder, name, seed, True), Gradients) if holder else {}

    def spread(self, metric: str) -> tuple[Spread | None, int]:
        """Return the pooled standard deviation between runs, and its degrees of freedom."""
        kind, key = METRICS[metric]
        several, counted = [], set()
        for name, seeds in self.claims.evaluated.items():
            training = self.scale.table.evaluations[name].training
            if training in counted:  # the same models in another evaluation
                continue
            counted.add(training)
            found = [self.metrics[name, seed].get(kind, {}).get(key) for seed in seeds]
            values = [PERCENT * value for value in found if value is not None]
            if len(values) > 1:
                several.append((len(values), float(np.std(values, ddof=1))))
        return pooled_spread(several, metric, self.scale.name), sum(n - 1 for n, _ in several)


def _vouched(record: dict | None) -> bool:
    """Whether a record in the reference names the code; one that does not may be of any."""
    return bool((record or {}).get("fingerprint"))
