"""The workflow's jobs as Snakemake's rules define them, and which of them are finished.

`seesaw.workflow.graph` gets the jobs from Snakemake. Its answer is cached until a rule, config or
module changes, so that a plan or a status rarely has to start Snakemake.
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
from seesaw.core.names import unique
from seesaw.core.records import is_current, read_record, record_of, recorded_hashes
from seesaw.errors import UserError
from seesaw.spec import claims as claim_table
from seesaw.spec import figures, zoo
from seesaw.spec.experiments import PLACES, Experiments, Training
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.workflow import dependencies


@dataclass(frozen=True)
class Job:
    """One job of the workflow."""

    # rule and wildcards, as in the log's name: ``detect/a01_mask_rcnn/seed0/a01_mask_rcnn``
    id: str
    outputs: tuple[Path, ...]  # the first is the artefact that has the record beside it
    needs: tuple[str, ...] = ()  # ids of the jobs that must finish first
    key: str = ""  # among the fingerprints of `seesaw.workflow.dependencies`; "" if it has none
    experiment: str = ""  # the evaluation it belongs to (for a training, its own); "" if shared
    training: str = ""  # the training whose weights it makes or uses; "" if none
    seed: int = 0  # the seed; 0 where there is none
    # what a table or figure takes from the experiment table (title, columns, rows), as Snakemake
    # writes its parameters down
    shown: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.id.partition("/")[0]

    @property
    def name(self) -> str:
        """What its rule makes, by the rule's wildcards: the table of a table's job."""
        return self.id.partition("/")[2]

    @cached_property
    def record(self) -> dict | None:
        """The provenance record of its artefact, if there is one."""
        return record_of(self.outputs[0])


@dataclass(frozen=True)
class Graph:
    """All jobs of the workflow at one scale."""

    every: dict[str, Job]  # id -> job, in topological order
    # the name of a rule without wildcards, or an evaluation -> ids of the jobs it needs
    targets: dict[str, list[str]]
    scale: Scale

    @property
    def paper(self) -> dict[str, Job]:
        """The jobs of the experiment table: all except those that only the target ``zoo`` needs."""
        return self.needed(i for name, ids in self.targets.items() if name != "zoo" for i in ids)

    def target(self, given: str) -> str:
        """Return the target that the user means: a rule without wildcards, or an experiment.

        Its name's beginning is enough if that of no other target begins so.

        Raises:
            UserError: the target does not exist.
        """
        if given == "claims" and given not in self.targets:
            raise UserError(claim_table.elsewhere(self.scale))
        known = dict.fromkeys([*self.targets, *self.scale.table.evaluations])
        name = unique(given, known, f"{self.scale.path}: the target")
        if name not in self.targets:
            file = f"configs/*/{self.scale.table.unbuilt(name)}.py"
            raise UserError(f"{file} is missing: {name} is not built; write it.")
        shown = (*PLACES, *figures.FIGURES, *self.scale.table.places)
        if not self.targets[name] and name in shown:
            raise UserError(f"{self.scale.path}: none of its experiments stands in {name}.")
        return name

    def select(self, *targets: str) -> dict[str, Job]:
        """Return the jobs of targets, which are named as in `target`."""
        return self.needed(i for target in targets for i in self.targets[self.target(target)])

    def command(self, target: str) -> str:
        """Return Snakemake's command that makes a target."""
        names = [target]
        if target in self.scale.table.evaluations:
            names = [str(self.every[i].outputs[0]) for i in self.targets[target]]
        return snakemake_command(self.scale, *names)

    def needed(self, ids: Iterable[str]) -> dict[str, Job]:
        """Return these jobs and all jobs that they need, in topological order."""
        wanted = closure(self.every, ids)
        return {i: job for i, job in self.every.items() if i in wanted}


def workflow(scale: Scale) -> Graph:
    """Return the workflow's jobs at a scale, as the rules define them.

    Raises:
        UserError: the Snakefile cannot be read; the message is Snakemake's.
    """
    if not paths.ROOT.samefile("."):
        raise UserError(f"This verb calls Snakemake; change to {paths.ROOT.resolve()} first.")
    rules = [paths.ROOT / "Snakefile", *(paths.ROOT / "workflow" / "rules").glob("*.smk")]
    files = [*dependencies.sources(scale), *rules]
    kept = paths.CACHE / "jobs" / f"{scale.full_name}.json"

    def ask() -> dict:
        dependencies.cached(scale)  # most verbs need it next, and the graph needs a part of it
        return dependencies.answer("seesaw.workflow.graph", scale.name, scale.dataset)

    found = cached_json(files, kept, ask)
    every = {}
    for i, facts in found["jobs"].items():
        outputs = tuple(map(Path, facts.pop("outputs")))
        needs, shown = tuple(facts.pop("needs")), tuple(facts.pop("shown"))
        every[i] = Job(i, outputs, needs, shown=shown, **facts)
    return Graph(every, found["targets"], scale)


def rows(scale: Scale, target: str) -> Experiments:
    """Return a target's experiments: the scale's or, for ``zoo``, those of the released models."""
    if target != "zoo":
        return scale.table
    models, made = zoo.load().models, copy(scale.table)
    made.path, made.cells = zoo.FILE, []
    made.trainings = {name: Training(id=name, schedule="2x") for name in models}
    made.evaluations = {name: model.evaluation for name, model in models.items()}
    return made


def in_order(table: Experiments) -> list[str]:
    """Return the ids of the evaluations, each beside its training's own evaluation."""
    position = {name: n for n, name in enumerate(table.trainings)}
    return sorted(table.evaluations, key=lambda e: position[table.evaluations[e].training])


def closure(jobs: Mapping[str, Job], ids: Iterable[str]) -> set[str]:
    """Return these jobs and all jobs that they need."""
    found: set[str] = set()
    todo = list(ids)
    while todo:
        if (job := todo.pop()) not in found:
            found.add(job)
            todo += jobs[job].needs
    return found


def finished(jobs: Mapping[str, Job], fingerprints: Mapping[str, str] | None) -> set[str]:
    """Return the jobs that need not run: their outputs exist and are up to date, as their inputs.

    ``jobs`` are in topological order. Without fingerprints, outputs only have to exist.
    """
    done: set[str] = set()
    for job in jobs.values():
        if done.issuperset(job.needs) and _done(job, (fingerprints or {}).get(job.key)):
            done.add(job.id)
    return done


def snakemake_record(kind: str, output: Path) -> Path:
    """Return where Snakemake stores a file's record; ``kind`` is "metadata" or "incomplete"."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    *folders, last = [name[i : i + 254] for i in range(0, len(name), 254)]  # of at most 255
    return paths.ROOT.joinpath(".snakemake", kind, *(f"@{part}" for part in folders), last)


def _done(job: Job, fingerprint: str | None) -> bool:
    incomplete = snakemake_record("incomplete", job.outputs[0])
    if incomplete.exists() or not all(path.is_file() for path in job.outputs):
        return False
    if not is_current(job.record, fingerprint, recorded_hashes(job.record)):
        return False
    wanted = {*job.shown}
    if fingerprint is not None and not (job.record or {}).get("fingerprint"):
        wanted.add(repr(fingerprint))
    kept = read_record(snakemake_record("metadata", job.outputs[0])) or {}
    return "params" not in kept or wanted.issubset(kept["params"])
