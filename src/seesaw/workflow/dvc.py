"""The stages of ``dvc.yaml``, made from the workflow's jobs: each output belongs to one stage.

A stage is one call of Snakemake, which decides what runs and in which order. Therefore a stage
depends on what people edit (code, configs, rows of the experiment table) and on data, never on
another target's outputs: ``dvc repro submission`` runs only the two trainings that the submission
needs. Outputs that several targets need belong to the first of these targets.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from seesaw.core import paths
from seesaw.core.names import unique
from seesaw.core.records import provenance_path
from seesaw.spec import experiments, figures, overlay
from seesaw.spec.metrics import BRIEF
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.training import run_log
from seesaw.workflow import dependencies, jobs
from seesaw.workflow.jobs import Job

# stage -> the rules whose jobs it owns.
SHARED = {"data": ("download", "data"), "pretrained": ("pretrain",)}
SHOWN = ("table", "figure")
# Our configs inherit from those of the locked mmdet.
CODE = ("Snakefile", "workflow/rules", "src/seesaw", "requirements.lock")
HEADER = """\
# What DVC versions at {scale} scale; made from the experiment table: `seesaw dvc {options}`.
# A stage is one call of Snakemake; before it `unlock` clears what a killed call left, after it
# `record` notes what Snakemake knows, for other clones. See docs/dvc.md.
"""


@dataclass(frozen=True)
class Stage:
    """One stage."""

    name: str
    targets: list[str]  # the targets that Snakemake is called with
    jobs: list[Job]  # all jobs that the targets need, in topological order
    owned: list[Job]  # the jobs whose outputs this stage versions


class Stages:
    """All stages of one scale, by name."""

    def __init__(self, scale: Scale):
        self.scale = scale
        self.table = scale.table
        self.graph = jobs.workflow(scale)
        self.every = self.graph.paper

    @cached_property
    def all(self) -> dict[str, Stage]:
        """Name -> stage; stages that only hold shared outputs come first."""
        made: dict[str, Stage] = {}
        owners: dict[str, str] = {}
        for name, rules in SHARED.items():
            owned = [job for job in self.every.values() if job.rule in rules]
            outputs = [str(path) for job in owned for path in job.outputs]
            if owned:
                needed = self.graph.needed(job.id for job in owned)
                made[name] = Stage(name, outputs, [*needed.values()], owned)
            owners |= {job.id: name for job in owned}
        for name, targets in self._targets().items():
            needed = self.graph.select(*targets)
            owners = {job: name for job in needed} | owners
            owned = [job for job in needed.values() if owners[job.id] == name]
            if owned:
                made[name] = Stage(name, targets, [*needed.values()], owned)
        return made

    def stage(self, name: str) -> Stage:
        """Return a stage by its name."""
        return self.all[unique(name, self.all, f"{self.file}: the stage")]

    @property
    def file(self) -> Path:
        """The scale's ``dvc.yaml``: at the root for mini, in its own folder for other scales."""
        name = self.scale.full_name
        name = "dvc.yaml" if name == "mini" else f"{name}/dvc.yaml"
        return paths.ROOT / name

    def folder(self, stage: str) -> Path:
        """Return the folder for the files that accompany a stage's results."""
        return self.scale.results / "stages" / stage

    def hashes(self, stage: str) -> Path:
        """Return the file with the hashes of a shared stage's outputs.

        It is a parameter of other stages instead of the outputs being dependencies, because `dvc
        repro --dry` ends at a dependency that does not exist yet.
        """
        return self.folder(stage) / "outputs.json"

    def summaries(self, stage: str) -> dict[str, Path]:
        """Return evaluation -> the file with its metrics for ``dvc metrics``."""
        scored = {
            job.experiment
            for job in self.all[stage].owned
            if job.rule == "evaluate" and job.seed in self.table.seeds(job.experiment)
        }
        return {e: self.folder(stage) / "metrics" / f"{e}.json" for e in sorted(scored)}

    def outputs(self, stage: str) -> list[str]:
        """Return a stage's outputs for DVC: folders that belong to it alone, else files."""
        entry, found = self.scale.entry, []
        owned = {job.id for job in self.all[stage].owned}
        runs: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for job in self.every.values():
            runs[job.training, job.seed].append(job.id)
        for job in self.all[stage].owned:
            run = (job.training, job.seed)
            files = list(job.outputs)
            if job.training and owned.issuperset(runs[run]):
                files = [self.scale.model(*run).parent]  # with all other files beside it
            elif job.rule == "data" and entry.generate is not None:
                files = [entry.root, entry.truth]
            elif job.rule in ("pretrain", "detect", "evaluate", "submit", "figure"):
                files = [files[0].parent]
            else:
                beside = [run_log.NAME] if job.rule == "train" else []
                files += [provenance_path(path) for path in files]
                files += [files[0].with_name(name) for name in beside]
            found += [path.as_posix() for path in files]
        return list(dict.fromkeys([*found, self.folder(stage).as_posix()]))

    def text(self) -> str:
        """Return the content of the scale's ``dvc.yaml``."""
        stages = {name: self._stage(stage) for name, stage in self.all.items()}
        up = "" if self.file.parent == paths.ROOT else "../"
        scored = {name: f"{up}{self.folder(name)}" for name in stages if self.summaries(name)}
        plots = [
            {
                f"{name} {metric}": {
                    "template": "bar_horizontal",
                    "x": {f"{folder}/plots.json": metric},
                    "y": {f"{folder}/plots.json": "evaluation"},
                }
            }
            for name, folder in scored.items()
            for metric in BRIEF
        ]
        drawn = (path for job in self.every.values() for path in job.outputs)
        pictures = [{f"{up}{path.as_posix()}": None} for path in drawn if path.suffix == ".svg"]
        metrics = [f"{folder}/metrics" for folder in scored.values()]
        content = {"stages": stages, "metrics": metrics, "plots": [*plots, *pictures]}
        dumped = yaml.safe_dump(content, sort_keys=False, width=100, allow_unicode=True)
        return HEADER.format(scale=self.scale.name, options=self.scale.options) + "\n" + dumped

    def _stage(self, stage: Stage) -> dict:
        call = snakemake_command(self.scale, *stage.targets)
        local = "--profile slurm" not in call
        commands = [call, f"seesaw record {stage.name} {self.scale.options}"]
        made: dict[str, Any] = {"cmd": [*(["seesaw unlock"] if local else []), *commands]}
        if self.file.parent != paths.ROOT:
            made["wdir"] = ".."
        made["deps"] = [*CODE, *self._configs(stage), *self._own_files(stage)]
        above = list(SHARED)[: list(SHARED).index(stage.name)] if stage.name in SHARED else SHARED
        shared = [self.hashes(name).as_posix() for name in above if name in self.all]
        made["params"] = [*self._params(stage), *({path: None} for path in shared)]
        made["outs"] = [{path: {"persist": True}} for path in self.outputs(stage.name)]
        return made

    def _own_files(self, stage: Stage) -> list[str]:
        """Return a user's annotation files, for the stage that checks them, and local weights."""
        found: list[str] = []
        if any(job.rule == "data" for job in stage.owned):
            found += [path.as_posix() for path in self.scale.own_annotations.values()]
        if any(job.rule == "train" for job in stage.jobs):
            found += dependencies.cached(self.scale)["weights"]
        return found

    def _configs(self, stage: Stage) -> list[str]:
        """Return the config files and folders that a stage's jobs depend on."""
        read = [paths.DATASETS]
        if any(job.rule in ("table", "claims") for job in stage.jobs):
            read.append(paths.PAPER_VALUES)
        if self.scale.name == "paper" and any(job.id == "table/table_a2" for job in stage.jobs):
            read.append(paths.CONFIGS / "costs")  # its notes on measured GPUs
        if any(job.rule == "claims" for job in stage.jobs):
            read.append(paths.CLAIMS)
        drawn = [job.name for job in stage.jobs if job.rule == "figure"]
        read += [paths.NOTEBOOKS / f"{figure}.py" for figure in drawn]
        train, detect = ([j for j in stage.jobs if j.rule == r] for r in ("train", "detect"))
        chosen = {self.table.trainings[job.training].config for job in train}
        chosen |= {self.table.evaluations[job.experiment].config_path for job in detect}
        built = [name for figure in drawn for name in figures.CONFIGS.get(figure, ())]
        chosen |= {experiments.config_file(name) for name in built}
        found = (experiments.config_files(config) for config in chosen if config)
        folders = {file.parent for files in found for file in files}
        return sorted(path.as_posix() for path in [*read, *folders])

    def _params(self, stage: Stage) -> list[dict]:
        """Return the settings and rows of the experiment table that a stage's jobs depend on."""
        trainings = sorted({job.training for job in stage.jobs if job.rule == "train"})
        keys = [f"trainings.{name}" for name in trainings]
        shown = {job.name for job in stage.jobs if job.rule in SHOWN}
        keys += [f"places.{place}" for place in sorted(shown & set(self.table.places))]
        if keys:
            keys += ["evaluations", "cells"]
        rows = [{paths.EXPERIMENTS.as_posix(): keys}] if keys else []
        return [*({path.as_posix(): None} for path in overlay.files(self.scale.path)), *rows]

    def _targets(self) -> dict[str, list[str]]:
        """Return stage -> targets; a figure's numbers and its drawing are one target."""
        places = {job.name for job in self.every.values() if job.rule in SHOWN}
        tables: list[str] = [place for place in ("table_a1", "table_a2") if place in places]
        others = sorted(places - set(tables))
        submitted = [job for job in self.every.values() if job.rule == "submit"]
        return (
            {table: [table] for table in tables}
            | ({"figures": others} if others else {})
            | ({"submission": ["submission"]} if submitted else {})
            | ({"claims": ["claims"]} if "claims" in self.every else {})
            | {"report": ["report"]}
        )
