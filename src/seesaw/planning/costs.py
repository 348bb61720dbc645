"""What a job costs: measured where a record of its work exists, else estimated."""

from __future__ import annotations

import ast
import csv
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from seesaw import paths
from seesaw.download import table as downloads
from seesaw.errors import UserError
from seesaw.experiments import Experiments, one_sentence, read_yaml
from seesaw.planning.jobs import Job
from seesaw.planning.progress import read_progress
from seesaw.provenance import provenance_path, read_record
from seesaw.reporting import paper
from seesaw.scales import Scale

FILE = paths.CONFIGS / "costs.yaml"
Basis = Literal["measured", "estimate", "unknown"]
# Rules whose jobs all do the same amount of work at a scale: any one's time tells the others'.
_ALIKE = ("evaluate", "submit", "table")
_HEADER = re.compile(r"Cost: about ([\d,]+(?:\.\d+)?) V100-hours")


class _ScaleCosts(BaseModel):
    """A scale's own; ``epochs`` and ``image`` say what its trainings take of the headers' time."""

    model_config = ConfigDict(extra="forbid")
    minutes: dict[str, float] = {}
    gigabytes: dict[str, float] = {}
    gpus: dict[str, int] = {}
    checkpoints: int = 0
    epochs: dict[str, float] = {}
    image: float = 1.0


class Estimates(BaseModel):
    """configs/costs.yaml."""

    model_config = ConfigDict(extra="forbid")
    uncertainty: float
    reference: str
    gpus: dict[str, float]
    multi_node: dict[str, float]
    images: dict[str, int]
    epochs: dict[str, int]
    batch: int
    detection: dict[str, float]
    scales: dict[str, _ScaleCosts]


class Cost(NamedTuple):
    """What one job takes.

    Attributes:
        gpu_hours: on GPUs of the planned type.
        hours: wall time.
        gigabytes: that it adds to the disk.
        basis: where the time is from; "unknown" counts as nothing and is told.
    """

    gpu_hours: float
    hours: float
    gigabytes: float
    basis: Basis


def load(path: Path | None = None) -> Estimates:
    """Read and check the estimates.

    Raises:
        UserError: one sentence with the file, the key and the fix.
    """
    path = path or FILE
    try:
        return Estimates.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(one_sentence(path, error)) from None


def header_hours(config: Path | None) -> float | None:
    """V100-hours that a config's header states; None if it states none."""
    if config is None:
        return None
    text = ast.get_docstring(ast.parse(config.read_text(encoding="utf-8"))) or ""
    found = _HEADER.search(" ".join(text.split()))
    return float(found.group(1).replace(",", "")) if found else None


class Costs:
    """The costs of a scale's jobs on GPUs of one type.

    Args:
        table: the experiment table.
        scale: where measurements lie.
        gpus: GPUs of one training.
        gpu: their type, a name that contains a key of ``gpus`` in configs/costs.yaml; default
            the reference.
        fingerprints: of the current configs and code; tell which work directories count.

    Raises:
        UserError: the type is unknown, or the batch cannot be shared by so many GPUs.
    """

    def __init__(
        self,
        table: Experiments,
        scale: Scale,
        gpus: int = 8,
        gpu: str | None = None,
        fingerprints: dict[str, Any] | None = None,
    ):
        self.assumed = load()
        self.table, self.scale, self.gpus = table, scale, gpus
        kind = self._kind(gpu or self.assumed.reference)
        self.fingerprints = fingerprints or {}
        if kind is None:
            raise UserError(
                f"--gpu {gpu}: its speed is unknown; use one of {', '.join(self.assumed.gpus)} "
                f"or add it under gpus in {FILE}."
            )
        self.gpu = kind
        if gpus < 1 or self.assumed.batch % gpus:
            raise UserError(
                f"--gpus {gpus}: {self.assumed.batch} images a batch cannot be shared evenly; "
                "use a number that divides it."
            )
        self.here = self.assumed.scales.get(scale.name) or _ScaleCosts()

    def cost(self, job: Job) -> Cost:
        """What a job that is not finished will take."""
        measured = self._underway(job) or self._recorded(job) or self._benchmarked(job)
        gpu_hours, hours = measured or self._estimate(job) or (0.0, None)
        basis: Basis = "measured" if measured else "estimate" if hours is not None else "unknown"
        return Cost(gpu_hours, hours or 0.0, self._gigabytes(job), basis)

    def gpus_of(self, rule: str) -> int:
        """GPUs of a job of this rule; 0 at the scales that run on CPUs."""
        return self.gpus if self.on_gpus and rule == "train" else self.here.gpus.get(rule, 0)

    @property
    def on_gpus(self) -> bool:
        """Whether this scale trains on GPUs."""
        return bool(self.here.gpus)

    def _underway(self, job: Job) -> tuple[float, float] | None:
        """What remains of a training that has begun, at its own pace."""
        fingerprint = self.fingerprints.get(job.key)
        if job.rule != "train" or not fingerprint:
            return None
        work = self.scale.work / job.training / f"seed{job.seed}" / fingerprint
        progress = read_progress(work)
        if progress is None or progress.seconds_left is None:
            return None
        hours = progress.seconds_left / 3600
        return hours * self.gpus_of("train"), hours

    def _recorded(self, job: Job) -> tuple[float, float] | None:
        """From the record of the same job, perhaps of an older state or of another seed."""
        records = [job.record]
        if job.training:
            seeds = self.table.trainings[job.training].seeds
            old = f"/seed{job.seed}/"
            others = [str(job.outputs[0]).replace(old, f"/seed{s}/") for s in seeds]
            records += [read_record(provenance_path(path)) for path in others]
        for record in filter(None, records):
            if (seconds := recorded_seconds(record)) is None:
                continue
            if not (gpus := self.gpus_of(job.rule)):
                return 0.0, seconds / 3600
            kind, count = self._device(record)
            if kind is not None:  # on a GPU whose speed is known
                ratio = self.assumed.gpus[self.gpu] / self.assumed.gpus[kind]
                gpu_hours = seconds / 3600 * count * ratio
                return gpu_hours, gpu_hours / gpus
        return None

    def _device(self, record: dict) -> tuple[str | None, int]:
        text = str(record.get("device", ""))
        count = re.match(r"(\d+) x ", text)
        return self._kind(text), record.get("gpus") or (int(count.group(1)) if count else 1)

    def _kind(self, text: str) -> str | None:
        """The type of GPU that a site's or NVIDIA's name means: ``NVIDIA A100-SXM4-80GB``."""
        return next((name for name in self.assumed.gpus if name in text.lower()), None)

    def _benchmarked(self, job: Job) -> tuple[float, float] | None:
        """From Snakemake's benchmark of the same job (a training's holds its last attempt only)."""
        rule, _, rest = job.id.partition("/")
        if rule == "train" or self.gpus_of(rule):  # which GPU it was is not written there
            return None
        folder = paths.ROOT / "logs" / self.scale.run / "benchmarks"
        own = folder / (f"{rule}/{rest.replace('/', '_')}.tsv" if rest else f"{rule}.tsv")
        alike = sorted(folder.glob(f"{rule}/*.tsv")) if rule in _ALIKE else []
        for path in [own, *alike]:
            if seconds := _benchmark_seconds(path):
                return 0.0, seconds / 3600
        return None

    def _estimate(self, job: Job) -> tuple[float, float] | None:
        if (minutes := self.here.minutes.get(job.rule)) is not None:
            return minutes / 60 * self.gpus_of(job.rule), minutes / 60
        hours = None
        if self.on_gpus and job.rule == "train":
            hours = header_hours(self.table.trainings[job.training].config)
            hours = self._shortened(job.training, hours)
            if hours is not None and self.gpus > self.assumed.multi_node["gpus"]:
                hours /= self.assumed.multi_node["efficiency"]
        elif self.on_gpus and job.rule == "detect":
            hours = self._detection_hours(job.experiment)
        if hours is None:
            return None
        gpu_hours = hours * self.assumed.gpus[self.gpu]
        return gpu_hours, gpu_hours / self.gpus_of(job.rule)

    def _shortened(self, training: str, hours: float | None) -> float | None:
        """A header's hours at this scale: fewer epochs, cheaper images."""
        schedule = self.table.trainings[training].schedule
        if hours is None or schedule not in self.here.epochs:
            return hours
        share = self.here.epochs[schedule] / self.assumed.epochs[schedule]
        return hours * share * self.here.image

    def _detection_hours(self, evaluation: str) -> float | None:
        """GPU-hours of the reference: an own header's share, else from the training's cost."""
        e = self.table.evaluations[evaluation]
        images = self.assumed.images
        if e.config and e.config != e.training:
            same = [o for o in self.table.evaluations.values() if o.config == e.config]
            share = images[e.split] / sum(images[o.split] for o in same)
            stated = header_hours(e.config_path)
            return None if stated is None else stated * share
        t = self.table.trainings[e.training]
        t = self.table.trainings[t.init_from or t.id]  # a frozen model's training is too cheap
        if (stated := header_hours(t.config)) is None:
            return None
        seen = self.assumed.epochs[t.schedule] * images["train"]
        model = self.assumed.detection["share_of_training"] * stated / seen * self.here.image
        return images[e.split] * (model + self.assumed.detection["post_processing_seconds"] / 3600)

    def _gigabytes(self, job: Job) -> float:
        """What is not yet on the disk; a dataset in place costs nothing."""
        if job.rule == "download":
            files = downloads.load().sets[job.id.partition("/")[2]].values()
            return sum((f.bytes or 0) / 1e9 for f in files if not f.made.exists())
        if job.rule == "train" and self.here.checkpoints:
            # 4 bytes a parameter: the weights, and checkpoints with momentum
            weights = 4e-3 * self._millions.get(job.training, 0.0)
            return weights * (1 + 2 * self.here.checkpoints)
        return self.here.gigabytes.get(job.rule, 0.0)

    @cached_property
    def _millions(self) -> dict[str, float]:
        return paper.load().parameters


def recorded_seconds(record: dict) -> float | None:
    """How long an artefact took; a resumed training's own duration is that of its last part."""
    if "seconds_per_iteration" in record:
        return record["seconds_per_iteration"] * record["iterations"]
    return record.get("duration")


def _benchmark_seconds(path: Path) -> float | None:
    """Seconds from a Snakemake benchmark; None if there is none or it is damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, TypeError, ValueError):
        return None
