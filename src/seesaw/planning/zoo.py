"""The jobs of the target ``zoo`` (workflow/rules/zoo.smk): released models, detected and scored."""

from __future__ import annotations

from copy import copy

from seesaw.download.table import record
from seesaw.experiments import Experiments, Training
from seesaw.planning.jobs import Job, evaluated
from seesaw.scales import Scale
from seesaw.zoo import table


def experiments(scale: Scale) -> Experiments:
    """The released models in the form of an experiment table, which no place shows."""
    models, rows = table.load().models, copy(scale.table)
    rows.path, rows.cells = table.FILE, []
    rows.trainings = {name: Training(id=name, schedule="2x") for name in models}
    rows.evaluations = {name: model.evaluation for name, model in models.items()}
    return rows


def workflow(scale: Scale) -> dict[str, Job]:
    """All jobs of the target, each after those that it needs."""
    entry, evaluations = scale.entry, experiments(scale).evaluations.values()
    needs = tuple(f"download/{name}" for name in scale.downloads)
    released = ("download/zoo",) if "pretrained" in scale.downloads else ()
    found = [Job(i, (record(i.partition("/")[2]),)) for i in (*needs, *released)]
    found.append(Job("data", (entry.manifest, entry.category_counts), needs))
    for e in evaluations:
        made = (scale.model(e.training, 0),)
        found.append(Job(f"convert/{e.training}/seed0", made, released, e.id, e.training))
        found += evaluated(e, scale, 0, weights="convert")
    scored = tuple(job.id for job in found if job.rule == "evaluate")
    found.append(Job("zoo", (scale.tables / "zoo.md", scale.tables / "zoo.json"), scored))
    return {job.id: job for job in found}
