"""The workflow's jobs as data: what each makes, what it needs, and which are finished.

Mirrors workflow/rules (a test compares the two job by job) so that neither a plan nor a status
has to start Snakemake.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seesaw import dependencies, paths
from seesaw.claims import table as claim_table
from seesaw.download.table import record
from seesaw.errors import UserError
from seesaw.experiments import Evaluation, Experiments
from seesaw.figures import inputs as figures
from seesaw.provenance import provenance_path, read_record, sha256_file
from seesaw.report import inputs as report
from seesaw.scales import Scale

PLACES = ("table_a1", "table_a2", "figure_a2")
TABLE_FORMATS = ("txt", "md", "tex", "html", "csv", "json")


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        id: rule and wildcards as its log is named: ``detect/a01_mask_rcnn/seed0/a01_mask_rcnn``.
        outputs: the declared files; the first is the artefact that a record lies beside.
        needs: ids of the jobs that it waits for.
        experiment: the evaluation (of a training: its own) that it belongs to; "" if shared.
        training: of a training, detection or what follows it; else "".
        seed: the seed; 0 where there is none.
    """

    id: str
    outputs: tuple[Path, ...]
    needs: tuple[str, ...] = ()
    experiment: str = ""
    training: str = ""
    seed: int = 0

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.id.partition("/")[0]

    @property
    def key(self) -> str:
        """Its key among the fingerprints of `seesaw.dependencies`."""
        if self.rule == "detect":
            return f"detect/{self.experiment}"
        if self.rule == "convert":
            return f"convert/{self.training}"
        return self.id if self.rule in ("pretrain", "train", "figure") else self.rule

    @cached_property
    def record(self) -> dict | None:
        """The provenance record of its artefact, if there is one."""
        return read_record(provenance_path(self.outputs[0]))


def workflow(table: Experiments, scale: Scale, backbones: Mapping[str, str]) -> dict[str, Job]:
    """All jobs that the rules can make of what is built, each after those that it needs.

    Args:
        table: the experiment table.
        scale: where results lie.
        backbones: training -> stand-in that it starts from (none at paper scale).
    """
    entry = scale.entry
    found = [Job(f"download/{name}", (record(name),)) for name in scale.downloads]
    needs = tuple(job.id for job in found)
    found.append(Job("data", (entry.manifest, entry.category_counts), needs))
    found += [
        Job(f"pretrain/{name}", (scale.pretrained(name),), ("data",))
        for name in sorted(set(backbones.values()))
    ]
    seeds = claim_table.training_seeds(table, scale)
    for t in sorted(table.trainings.values(), key=lambda t: t.init_from is not None):
        for seed in seeds[t.id] if table.built(t.id) else ():
            needs = ["data"]
            if t.init_from:
                needs.append(f"train/{t.init_from}/seed{seed}")
            elif t.id in backbones:
                needs.append(f"pretrain/{backbones[t.id]}")
            output = (scale.model(t.id, seed),)
            found.append(Job(f"train/{t.id}/seed{seed}", output, tuple(needs), t.id, t.id, seed))
    seeds = claim_table.evaluation_seeds(table, scale)
    for e in table.evaluations.values():
        for seed in seeds[e.id] if table.built(e.id) else ():
            found += evaluated(e, scale, seed)
    speeds = [c.evaluation for c in table.place_cells("table_a2") if table.built(c.evaluation)]
    if models := [f"train/{table.evaluations[e].training}" for e in speeds]:
        seeds = [table.seeds(e)[0] for e in speeds]
        needs = tuple(f"{m}/seed{seed}" for m, seed in zip(models, seeds, strict=True))
        found.append(Job("speed", (scale.speed,), needs))
    for place in filter(table.place_cells, PLACES):
        needs = [i for c in table.place_cells(place) for i in _last(table, c.evaluation)]
        needs += ["speed"] if place == "table_a2" and models else []
        made = tuple(scale.tables / f"{place}.{kind}" for kind in TABLE_FORMATS)
        found.append(Job(f"table/{place}", made, tuple(needs)))
    for name in figures.available(table):
        outputs = tuple(figures.outputs(name, scale).values())
        found.append(Job(f"figure/{name}", outputs, tuple(_figure_needs(name, table))))
    if claims := claim_table.of(scale):
        found.append(_claims(claims, scale))
    rules = ("table", "figure", "submit") if entry.test_dev else ("table", "figure")
    needs = [job.id for job in found if job.rule in rules]
    found.append(Job("report", (report.output(scale),), tuple(needs)))
    return {job.id: job for job in found}


def select(jobs: dict[str, Job], table: Experiments, scale: Scale, target: str) -> dict[str, Job]:
    """The jobs of a target: all, report, submission, claims, a table, a figure or an experiment.

    An experiment is named by its id or a unique prefix.

    Raises:
        UserError: there is no such target.
    """
    submissions = [i for e in table.submissions for i in _last(table, e.id) if scale.entry.test_dev]
    if target == "all":
        ids = [f"table/{place}" for place in PLACES if table.place_cells(place)] + submissions
        ids += [*(f"figure/{name}" for name in figures.available(table)), "report"]
    elif target == "report":
        ids = ["report"]
    elif target == "submission":
        ids = submissions
    elif target == "claims":
        ids = [target]
        if target not in jobs:
            raise UserError(claim_table.elsewhere(scale))
    elif target in (*PLACES, *figures.FIGURES):
        ids = [i for i in (f"table/{target}", f"figure/{target}") if i in jobs]
        if not ids:
            raise UserError(f"{scale.path}: none of its experiments stands in {target}.")
    else:
        ids = _last(table, table.evaluation(target).id)
        if not ids:
            raise UserError(f"configs/*/{target}.py is missing: this rung is not built; write it.")
    wanted = closure(jobs, ids)
    return {i: job for i, job in jobs.items() if i in wanted}


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
        fingerprints: those of `seesaw.dependencies`; None if unknown: presence then suffices.
    """
    done: set[str] = set()
    for job in jobs.values():
        if done.issuperset(job.needs) and _current(job, (fingerprints or {}).get(job.key)):
            done.add(job.id)
    return done


def known_fingerprints(scale: Scale) -> dict | None:
    """The fingerprints that the last call of the workflow left; None if files changed since.

    Never computed here: resolving the configs would load mmdet.
    """
    kept = read_record(dependencies.cache(scale)) or {}
    try:
        files = [(Path(path), digest) for path, digest in kept["keys"].items()]
        same = all((sha256_file(p) if p.is_file() else None) == digest for p, digest in files)
        return kept["value"] if same else None
    except (OSError, KeyError, AttributeError):
        return None


def snakemake_command(scale: Scale, *targets: str, slurm: bool = False) -> str:
    """What to type to make targets at this scale; any scale may run on a cluster."""
    own = {"paper": ("slurm", "paper"), "single_gpu": ("single_gpu", "single_gpu")}
    profile, default = own["paper"] if slurm else own.get(scale.name, ("local", "mini"))
    words = ["snakemake", "--profile", profile, *targets]
    settings = [f"scale={scale.name}"] if scale.name != default else []
    settings += [f"dataset={scale.dataset}"] if scale.run != scale.name else []
    return " ".join([*words, *(["--config", *settings] if settings else [])])


def snakemake_record(kind: str, output: Path) -> Path:
    """Where Snakemake keeps a file's record; ``kind`` is "metadata" or "incomplete"."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    return paths.ROOT / ".snakemake" / kind / name


def evaluated(e: Evaluation, scale: Scale, seed: int, weights: str = "train") -> list[Job]:
    """The jobs from weights to a score or a package; ``weights`` is the rule that makes them."""
    tail = f"{e.training}/seed{seed}/{e.id}"
    common: dict[str, Any] = dict(experiment=e.id, training=e.training, seed=seed)
    needs, detections = ("data", f"{weights}/{e.training}/seed{seed}"), f"detect/{tail}"
    made = [Job(detections, (scale.detections(e, seed),), needs, **common)]
    needs = ("data", detections)
    if e.split == "test_dev":
        return [*made, Job(f"submit/{tail}", (scale.submission(e, seed),), needs, **common)]
    outputs = (scale.metrics(e, seed), scale.matches(e, seed), scale.replicates(e, seed))
    return [*made, Job(f"evaluate/{tail}", outputs, needs, **common)]


def _claims(claims: claim_table.Claims, scale: Scale) -> Job:
    table, read = scale.table, claim_table.files(scale, claims)
    needs = []
    for kind in ("metrics", "gradients"):
        for name, seed in (key.split("/") for key in read[kind]):
            run = f"{table.evaluations[name].training}/{seed}"
            needs.append(f"evaluate/{run}/{name}" if kind == "metrics" else f"train/{run}")
    needs += [job for job, kind in (("data", "counts"), ("speed", "speed")) if kind in read]
    return Job("claims", tuple(claim_table.outputs(scale).values()), tuple(needs))


def _figure_needs(name: str, table: Experiments) -> list[str]:
    """The jobs whose results a figure shows."""
    if name == "figure_a3":
        return []
    last = [i for c in table.place_cells(name) for i in _last(table, c.evaluation)]
    if name == "figure_a1":  # gradients: of the training itself
        last = ["/".join(["train", *i.split("/")[1:3]]) for i in last]
    return ["data", *last]


def _last(table: Experiments, evaluation: str) -> list[str]:
    """The jobs that complete an evaluation, one a seed; none if it is not built."""
    e = table.evaluations[evaluation]
    rule = "submit" if e.split == "test_dev" else "evaluate"
    seeds = table.seeds(e.id) if table.built(e.id) else []
    return [f"{rule}/{e.training}/seed{seed}/{e.id}" for seed in seeds]


def _current(job: Job, fingerprint: str | None) -> bool:
    if not all(path.is_file() for path in job.outputs):
        return False
    if snakemake_record("incomplete", job.outputs[0]).exists():
        return False
    record = job.record or {}
    for file in record.get("inputs", {}).values():
        made = read_record(provenance_path(file["path"]))
        if made and made["artefact"]["sha256"] != file["sha256"]:
            return False  # of an input that has been made again since
    if fingerprint is None:
        return True
    if record.get("fingerprint"):
        return record["fingerprint"] == fingerprint
    kept = read_record(snakemake_record("metadata", job.outputs[0])) or {}
    return "params" not in kept or repr(fingerprint) in kept["params"]
