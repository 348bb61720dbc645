"""The workflow's jobs as Snakemake's rules define them, and which of them are finished.

`seesaw.workflow.graph` asks Snakemake; its answer is kept until a rule, config or module changes,
so that a plan or a status seldom has to start it.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seesaw.core import paths
from seesaw.core.hashing import cached_json
from seesaw.core.records import is_current, provenance_path, read_record, recorded_hashes
from seesaw.errors import UserError
from seesaw.spec import claims as claim_table
from seesaw.spec import figures, zoo
from seesaw.spec.experiments import PLACES, Experiments, Training
from seesaw.spec.scales import Scale
from seesaw.workflow import dependencies


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        id: rule and wildcards as its log is named: ``detect/a01_mask_rcnn/seed0/a01_mask_rcnn``.
        outputs: the declared files; the first is the artefact that a record lies beside.
        needs: ids of the jobs that it waits for.
        key: its key among the fingerprints of `seesaw.workflow.dependencies`; "" if it has none.
        experiment: the evaluation (of a training: its own) that it belongs to; "" if shared.
        training: of a training, detection or what follows it; else "".
        seed: the seed; 0 where there is none.
    """

    id: str
    outputs: tuple[Path, ...]
    needs: tuple[str, ...] = ()
    key: str = ""
    experiment: str = ""
    training: str = ""
    seed: int = 0

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.id.partition("/")[0]

    @cached_property
    def record(self) -> dict | None:
        """The provenance record of its artefact, if there is one."""
        return read_record(provenance_path(self.outputs[0]))


@dataclass(frozen=True)
class Graph:
    """All jobs of the workflow at one scale.

    Attributes:
        every: id -> job, each after those that it needs.
        targets: the name of a rule without wildcards, or an evaluation -> the jobs it asks for.
        scale: the scale.
    """

    every: dict[str, Job]
    targets: dict[str, list[str]]
    scale: Scale

    @property
    def paper(self) -> dict[str, Job]:
        """The jobs of the experiment table: all but those that only the target ``zoo`` needs."""
        return self._needed(i for name, ids in self.targets.items() if name != "zoo" for i in ids)

    def select(self, target: str) -> dict[str, Job]:
        """The jobs of a target: a rule without wildcards, or an experiment (or unique prefix).

        Raises:
            UserError: there is no such target.
        """
        if target == "claims" and target not in self.targets:
            raise UserError(claim_table.elsewhere(self.scale))
        name = target if target in self.targets else self.scale.table.evaluation(target).id
        if name not in self.targets:
            raise UserError(f"configs/*/{name}.py is missing: this rung is not built; write it.")
        if not self.targets[name] and name in (*PLACES, *figures.FIGURES):
            raise UserError(f"{self.scale.path}: none of its experiments stands in {name}.")
        return self._needed(self.targets[name])

    def _needed(self, ids: Iterable[str]) -> dict[str, Job]:
        wanted = closure(self.every, ids)
        return {i: job for i, job in self.every.items() if i in wanted}


def workflow(scale: Scale) -> Graph:
    """The workflow's jobs at a scale, as the rules define them.

    Raises:
        UserError: the Snakefile cannot be read; the sentence is Snakemake's.
    """
    rules = [paths.ROOT / "Snakefile", *(paths.ROOT / "workflow" / "rules").glob("*.smk")]
    files, kept = [*dependencies.sources(scale), *rules], paths.CACHE / "jobs" / f"{scale.run}.json"
    call = ("seesaw.workflow.graph", scale.name, scale.dataset)
    found = cached_json(files, kept, lambda: dependencies.answer(*call))
    every = {}
    for i, facts in found["jobs"].items():
        outputs, needs = map(Path, facts.pop("outputs")), facts.pop("needs")
        every[i] = Job(i, tuple(outputs), tuple(needs), **facts)
    return Graph(every, found["targets"], scale)


def rows(scale: Scale, target: str) -> Experiments:
    """The experiments that a target is about: the scale's, or of ``zoo`` the released models."""
    if target != "zoo":
        return scale.table
    models, made = zoo.load().models, copy(scale.table)
    made.path, made.cells = zoo.FILE, []
    made.trainings = {name: Training(id=name, schedule="2x") for name in models}
    made.evaluations = {name: model.evaluation for name, model in models.items()}
    return made


def in_order(table: Experiments) -> list[str]:
    """The evaluations, each beside its training's own."""
    trainings = list(table.trainings)
    return sorted(table.evaluations, key=lambda e: trainings.index(table.evaluations[e].training))


def closure(jobs: Mapping[str, Job], ids: Iterable[str]) -> set[str]:
    """These jobs and all that they need."""
    found: set[str] = set()
    todo = list(ids)
    while todo:
        if (job := todo.pop()) not in found:
            found.add(job)
            todo += jobs[job].needs
    return found


def finished(jobs: Mapping[str, Job], fingerprints: Mapping[str, str] | None) -> set[str]:
    """The jobs that need not run: what they make is there, current, and of current inputs.

    Args:
        jobs: each after those that it needs.
        fingerprints: of `seesaw.workflow.dependencies`; None if unknown: presence then suffices.
    """
    done: set[str] = set()
    for job in jobs.values():
        if done.issuperset(job.needs) and _done(job, (fingerprints or {}).get(job.key)):
            done.add(job.id)
    return done


def snakemake_record(kind: str, output: Path) -> Path:
    """Where Snakemake keeps a file's record; ``kind`` is "metadata" or "incomplete"."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    return paths.ROOT / ".snakemake" / kind / name


def _done(job: Job, fingerprint: str | None) -> bool:
    """Whether a job's outputs are there, whole and current."""
    incomplete = snakemake_record("incomplete", job.outputs[0])
    if incomplete.exists() or not all(path.is_file() for path in job.outputs):
        return False
    if not is_current(job.record, fingerprint, recorded_hashes(job.record)):
        return False
    if fingerprint is None or (job.record or {}).get("fingerprint"):
        return True
    kept = read_record(snakemake_record("metadata", job.outputs[0])) or {}
    return "params" not in kept or repr(fingerprint) in kept["params"]
