"""A scale's overlay (configs/scales/<scale>.yaml) and the paths of its results."""

from __future__ import annotations

import shlex
from copy import copy
from functools import cached_property
from pathlib import Path

from seesaw.core import paths
from seesaw.core.files import sha256_file
from seesaw.core.names import instead
from seesaw.core.records import record_of
from seesaw.errors import UserError
from seesaw.spec import datasets, downloads, experiments, overlay

# The repository's own; each further file in configs/scales/ is one, too.
OWN = ("smoke", "demo", "mini", "single_gpu", "paper")


class Scale:
    """A scale on a dataset: overlay, dataset entry and paths.

    Attributes:
        name: name of its overlay.
        full_name: names the folders of its results, work and logs: the name, on a dataset other
            than its own followed by ``@<dataset>``.

    Raises:
        UserError: the scale or dataset is unknown or malformed, or the results here were made on
            another dataset of the same name.
    """

    def __init__(self, name: str, dataset: str | None = None):
        known = [p.stem for p in paths.SCALES.glob("*.yaml")]
        if name not in known:  # which may also be a path, or longer than one may be
            raise UserError(
                f"{paths.SCALES}: the scale {name!r} is unknown; {instead(name, known)}"
            )
        path = paths.SCALES / f"{name}.yaml"
        self.overlay = overlay.read(path)
        self.name = name
        self.path = path
        # A shell ends a folder with a slash; in another spelling all jobs would run again.
        folder = (dataset or "").rstrip("/") or dataset
        entry = folder != dataset and folder in datasets.table()  # with a slash it is a folder
        self.dataset = (dataset if entry else folder) or self.overlay.dataset
        self.entry = datasets.load(self.dataset)
        own = self.dataset == self.overlay.dataset
        self.full_name = name if own else f"{name}@{self.entry.name}"
        if not own:
            self._refuse_results_of_another()

    def _refuse_results_of_another(self) -> None:
        """Raise an error if the results here were made on another dataset of the same name."""
        made = self.results.glob("*/seed*/model.pth.provenance.json")
        records = (record_of(path.with_name("model.pth")) for path in made)
        inputs = ((record or {}).get("inputs") or {} for record in records)
        used = next((Path(own["manifest"]["path"]) for own in inputs if "manifest" in own), None)
        now = self.entry.manifest
        try:
            other = used and not used.samefile(now) and sha256_file(used) != sha256_file(now)
        except OSError:  # a folder that was moved, has not been checked yet, or is another user's
            return
        if used and other:
            raise UserError(
                f"{self.results} has results on {used.parent}, not on {now.parent}, which has the "
                f"same name; give one of the two folders another name in {paths.DATASETS}."
            )

    @cached_property
    def table(self) -> experiments.Experiments:
        """The experiments of this scale."""
        every = experiments.load()
        configs = {path.stem for path in paths.CONFIGS.glob("[!_]*/*.py")}
        if unknown := sorted(self.overlay.set_in.keys() - configs):
            raise UserError(
                f"{self.path}: set_in: {unknown[0]!r} is no config of configs/*/; correct it."
            )
        return every if self.overlay.only is None else every.only(self.overlay.only, self.path)

    @cached_property
    def results(self) -> Path:
        """The root of this scale's live results."""
        return paths.ROOT / "results" / self.full_name

    @property
    def reference(self) -> Path:
        """The root of this scale's committed reference results."""
        return paths.ROOT / "reference" / self.full_name

    def frozen(self, root: Path | None = None) -> Scale:
        """Return this scale with its reference results in place of the live ones.

        Rows of tables and seeds that were added after the reference was made are left out.
        """
        made = Scale(self.name, self.dataset)
        made.results = root or self.reference
        if made.results == self.reference and self.reference.is_dir():
            table = made.table = copy(made.table)
            table.cells = [c for c in table.cells if made._holds(c.evaluation)]
            there = {
                t.id: [s for s in t.seeds if made.model(t.id, s).parent.is_dir()]
                for t in table.trainings.values()
            }
            table.trainings = {
                i: t.model_copy(update={"seeds": there[i] or t.seeds})
                for i, t in table.trainings.items()
            }
        return made

    def _holds(self, evaluation: str) -> bool:
        """Whether a result of an evaluation was made, or none can be because it has no config."""
        of = self.table.evaluations[evaluation]
        folders = (self.metrics(of, seed).parent for seed in self.table.seeds(evaluation))
        return not self.table.built(evaluation) or any(folder.is_dir() for folder in folders)

    @cached_property
    def work(self) -> Path:
        """The root of intermediate checkpoints and training logs, which are no workflow outputs."""
        return paths.ROOT / "work" / self.full_name

    def working(self, training: str, seed: int) -> Path:
        """Return the folder of a training's work directories, one for each fingerprint."""
        return self.work / training / f"seed{seed}"

    @cached_property
    def logs(self) -> Path:
        """The root of the workflow's logs, each named as its job, and of its benchmarks."""
        return paths.ROOT / "logs" / self.full_name

    @cached_property
    def tables(self) -> Path:
        """The folder of the tables."""
        return self.results / "tables"

    def model(self, training: str, seed: int) -> Path:
        """Return the path of a finished training's weights."""
        return self.results / training / f"seed{seed}" / "model.pth"

    def detections(self, evaluation: experiments.Evaluation, seed: int) -> Path:
        """Return the path of an evaluation's detections, one image per line."""
        folder = self.model(evaluation.training, seed).parent / evaluation.id
        return folder / "detections.jsonl"

    def detecting(self, evaluation: str, seed: int) -> Path:
        """Return the folder of an unfinished detection's lease and records."""
        return self.work / "detect" / evaluation / f"seed{seed}"

    def metrics(self, evaluation: experiments.Evaluation, seed: int) -> Path:
        """Return the path of an evaluation's metrics."""
        return self.detections(evaluation, seed).with_name("metrics.json")

    def matches(self, evaluation: experiments.Evaluation, seed: int) -> Path:
        """Return the path of an evaluation's matches, from which bootstrap samples are scored."""
        return self.metrics(evaluation, seed).with_name("matches.npz")

    def replicates(self, evaluation: experiments.Evaluation, seed: int) -> Path:
        """Return the path of an evaluation's bootstrap replicates, used for standard errors."""
        return self.metrics(evaluation, seed).with_name("replicates.json")

    def gradients(self, evaluation: experiments.Evaluation, seed: int) -> Path:
        """Return the path of the gradients that some trainings count, beside their weights."""
        return self.model(evaluation.training, seed).with_name("gradients.json")

    def errors(self, evaluation: experiments.Evaluation, seed: int) -> Path:
        """Return the path of an evaluation's error types."""
        return self.results / "errors" / evaluation.id / f"seed{seed}" / "errors.json"

    def chain(self, evaluation: experiments.Evaluation, seed: int) -> list[Path]:
        """Return an evaluation's numbers and the files from which they were made, in order."""
        start = self.table.trainings[evaluation.training].init_from
        models = [self.model(t, seed) for t in (start, evaluation.training) if t]
        made = self.detections, self.metrics, self.matches, self.replicates
        return [*models, *(path(evaluation, seed) for path in made)]

    def report(self, partial: bool = False) -> Path:
        """Return the path of the report's page; a partial one is no workflow output."""
        return self.results / "report" / ("partial.html" if partial else "report.html")

    def submission(self, evaluation: experiments.Evaluation, seed: int) -> Path:
        """Return the path of an evaluation's detections, packaged for the LVIS server."""
        return self.detections(evaluation, seed).with_name("submission.zip")

    def annotations(self, split: str) -> Path:
        """Return the annotation file of val or test_dev (the latter has no annotations)."""
        name = self.entry.val if split == "val" else self.entry.test_dev
        if name is None:
            raise UserError(
                f"{paths.DATASETS}: {self.entry.name} has no test_dev; name its file there."
            )
        return self.entry.root / name

    def pretrained(self, stand_in: str) -> Path:
        """Return the path of a stand-in's weights."""
        return self.results / "pretrained" / f"{stand_in}.pth"

    @property
    def downloads(self) -> list[str]:
        """The sets of downloads that this scale needs; none if all its data is generated."""
        sets = downloads.load().sets if not self.entry.generate else {}
        own = [self.dataset] if self.dataset in sets else []
        return own + ([] if self.overlay.backbones else ["pretrained"])

    @property
    def own_annotations(self) -> dict[str, Path]:
        """Split -> annotation file of a folder of the user, whose content fingerprints contain.

        Generated data are determined by their entry, and downloads by their published hashes.
        """
        entry = self.entry
        if entry.generate is not None or self.dataset in downloads.load().sets:
            return {}
        return {split: entry.root / name for split, name in entry.files.items()}

    @property
    def options(self) -> str:
        """The options of a verb that select this scale and data set."""
        other = f" --dataset {shlex.quote(self.dataset)}" if self.full_name != self.name else ""
        return f"--scale {self.name}{other}"

    @property
    def data_command(self) -> str:
        """The command that makes the dataset complete, which downloads first what is missing."""
        options = self.options
        there = (self.entry.root / name for name in (self.entry.train, self.entry.val))
        get = self.dataset in self.downloads and not all(path.is_file() for path in there)
        return (f"seesaw download {options} && " if get else "") + f"seesaw data {options}"

    @property
    def freeze_command(self) -> str:
        """The command that makes this scale's reference."""
        return f"seesaw freeze {self.options.removeprefix('--scale ')}"

    @property
    def speed(self) -> Path:
        """The file with the inference speed of Table A2's frameworks."""
        return self.results / "speed.json"


def snakemake_command(scale: Scale, *targets: str, slurm: bool = False) -> str:
    """Return the command that makes targets at this scale, locally or on a cluster."""
    own = {"paper": ("slurm", "paper"), "single_gpu": ("single_gpu", "single_gpu")}
    profile, default = own["paper"] if slurm else own.get(scale.name, ("local", "mini"))
    words = ["snakemake", "--profile", profile, *map(shlex.quote, targets)]
    settings = [f"scale={scale.name}"] if scale.name != default else []
    settings += [shlex.quote(f"dataset={scale.dataset}")] if scale.full_name != scale.name else []
    return " ".join([*words, *(["--config", *settings] if settings else [])])
