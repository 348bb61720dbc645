"""Costs of jobs: measured where a record of the same work exists, else estimated."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from seesaw.core.records import record_of, recorded_seconds
from seesaw.errors import UserError
from seesaw.spec import downloads, paper
from seesaw.spec.experiments import Experiments
from seesaw.spec.scales import Scale
from seesaw.spec.site import one_spelling
from seesaw.workflow import rates
from seesaw.workflow.jobs import Job
from seesaw.workflow.progress import read_progress
from seesaw.workflow.slurm.efficiency import benchmark

Basis = Literal["measured", "estimate", "unknown"]
# Rules whose jobs all take the same time at a scale: one job's time is used for the others.
_ALIKE = ("evaluate", "submit", "table")


class Cost(NamedTuple):
    """The cost of one job."""

    gpu_hours: float  # hours on GPUs of the planned type
    hours: float  # wall time
    gigabytes: float  # disk space that the job adds
    basis: Basis  # where the time comes from; "unknown" counts as zero and is reported


class Costs:
    """The costs of a scale's jobs on GPUs of one type.

    Each training has ``gpus`` of them. ``gpu`` is a name that contains a key of ``gpus`` in
    configs/costs.yaml, or part of the name of a GPU that was measured; by default it is the
    reference GPU. ``fingerprints`` are the current ones, which select work directories.

    Raises:
        UserError: the type is unknown, or the batch cannot be divided among the GPUs.
    """

    def __init__(
        self,
        table: Experiments,
        scale: Scale,
        gpus: int = 8,
        gpu: str | None = None,
        fingerprints: dict[str, Any] | None = None,
    ):
        self.assumed, self.millions = rates.assumed(), paper.load().parameters
        self.table, self.scale, self.gpus = table, scale, gpus
        self.fingerprints = fingerprints or {}
        name = (gpu or self.assumed.reference).lower()
        self.gpu = self._kind(name) or name
        self.here = self.assumed.scales.get(scale.name) or rates.ScaleCosts()
        self.measured = rates.measured(self.gpu, scale)
        share = self._share(self.gpu) or (None if self.on_gpus else 1.0)
        if share is None:
            known = ", ".join(self.assumed.gpus)
            raise UserError(
                f"the speed of the GPU {name!r} is unknown; use one of {known} or add it under "
                f"gpus in {rates.FILE}."
            )
        self.share = share
        if gpus < 1 or self.assumed.batch % gpus:
            raise UserError(
                f"--gpus {gpus}: {self.assumed.batch} images a batch cannot be shared evenly; "
                "use a number that divides it."
            )

    def cost(self, job: Job) -> Cost:
        """Return the cost of a job that is not finished."""
        known = self._underway(job) or self._recorded(job) or self._benchmarked(job)
        known = known or self._timed(job)
        gpu_hours, hours = known or self._estimate(job) or (0.0, None)
        basis: Basis = "measured" if known else "estimate" if hours is not None else "unknown"
        return Cost(gpu_hours, hours or 0.0, self._gigabytes(job), basis)

    def gpus_of(self, rule: str) -> int:
        """Return the number of GPUs of a job of this rule; 0 at the scales that run on CPUs."""
        return self.gpus if self.on_gpus and rule == "train" else self.here.gpus.get(rule, 0)

    @property
    def on_gpus(self) -> bool:
        """Whether this scale trains on GPUs."""
        return bool(self.here.gpus)

    def _underway(self, job: Job) -> tuple[float, float] | None:
        """Return what remains of a training that has begun, at its current speed."""
        fingerprint = self.fingerprints.get(job.key)
        if job.rule != "train" or not fingerprint:
            return None
        work = self.scale.working(job.training, job.seed) / fingerprint
        progress = read_progress(work)
        if progress is None or progress.seconds_left is None:
            return None
        hours = progress.seconds_left / 3600
        return hours * self.gpus_of("train"), hours

    def _recorded(self, job: Job) -> tuple[float, float] | None:
        """Read the record of the same job, possibly of an older state or of another seed."""
        records = [job.record]
        if job.training:
            seeds = self.table.trainings[job.training].seeds
            old = f"/seed{job.seed}/"
            others = [str(job.outputs[0]).replace(old, f"/seed{s}/") for s in seeds]
            records += [record_of(path) for path in others]
        for record in filter(None, records):
            if (seconds := recorded_seconds(record)) is None:
                continue
            if not (gpus := self.gpus_of(job.rule)):
                return 0.0, seconds / 3600
            device = str(record.get("device", ""))
            count = re.match(r"(\d+) x ", device)
            count = record.get("gpus") or (int(count.group(1)) if count else 1)
            if share := self._share(device):  # a GPU of known speed
                gpu_hours = seconds / 3600 * count * self.share / share
                return gpu_hours, gpu_hours / gpus
        return None

    def _share(self, device: str) -> float | None:
        """Return a device's GPU-hours for an hour on the reference GPU; None if unknown."""
        if one_spelling(self.gpu) in one_spelling(device) and self._measured_share:
            return self._measured_share
        return self.assumed.gpus.get(self._kind(device) or "")

    @cached_property
    def _measured_share(self) -> float | None:
        """Return `_share` of the planned GPU over all measured trainings; None without any."""
        measured = stated = 0.0
        for name in self.measured.training:
            hours = self._training_hours(name)
            if hours and (paper := self._shortened(name, self.assumed.hours.get(name))):
                measured, stated = measured + hours, stated + paper
        return measured / stated if stated else None

    def _kind(self, text: str) -> str | None:
        """Return the GPU type in a site's or NVIDIA's name, such as ``NVIDIA A100-SXM4-80GB``."""
        return next((name for name in self.assumed.gpus if name in text.lower()), None)

    def _benchmarked(self, job: Job) -> tuple[float, float] | None:
        """Read the job's benchmark by Snakemake (a training's covers the last attempt only)."""
        if job.rule == "train" or self.gpus_of(job.rule):  # the benchmark does not name the GPU
            return None
        own = Path(job.rule, job.name.replace("/", "_"))
        path = self.scale.logs / f"benchmarks/{own}.tsv"
        seconds = _seconds(path) or self._alike.get(job.rule)
        return (0.0, seconds / 3600) if seconds else None

    @cached_property
    def _alike(self) -> dict[str, float]:
        """Rule -> seconds of one job, of the rules whose jobs all take the same time."""
        files = {rule: sorted(self.scale.logs.glob(f"benchmarks/{rule}/*.tsv")) for rule in _ALIKE}
        return {r: next(filter(None, map(_seconds, f)), 0.0) for r, f in files.items()}

    def _timed(self, job: Job) -> tuple[float, float] | None:
        """Compute the cost from the measured seconds per image on this GPU."""
        if not self.on_gpus:
            return None
        if job.rule == "train":
            return self._shared(job.rule, self._training_hours(job.training))
        if job.rule == "detect":
            e = self.table.evaluations[job.experiment]
            same = [o for o in self.table.evaluations.values() if o.config_path == e.config_path]
            seconds = filter(None, (self.measured.detection.get(o.id) for o in same))
            if one := next(seconds, None):
                return self._shared(job.rule, self.assumed.images[e.split] * one / 3600)
        return None

    def _training_hours(self, training: str) -> float | None:
        """Return the GPU-hours of a training by its measured seconds per image, if any."""
        seconds, t = self.measured.training.get(training), self.table.trainings.get(training)
        if seconds is None or t is None or t.config is None:
            return None
        images = self.assumed.images["repeated" if rates.repeats(t.config) else "train"]
        epochs = self.here.epochs.get(t.schedule, self.assumed.epochs[t.schedule])
        return epochs * images * seconds / 3600

    def _estimate(self, job: Job) -> tuple[float, float] | None:
        if (minutes := self.here.minutes.get(job.rule)) is not None:
            return minutes / 60 * self.gpus_of(job.rule), minutes / 60
        hours = None
        if self.on_gpus and job.rule == "train":
            hours = self._shortened(job.training, self.assumed.hours.get(job.training))
        elif self.on_gpus and job.rule == "detect":
            hours = self._detection_hours(job.experiment)
        return self._shared(job.rule, hours and hours * self.share)

    def _shared(self, rule: str, hours: float | None) -> tuple[float, float] | None:
        """Return GPU-hours and wall time of work that takes ``hours`` on one GPU."""
        if hours is None:
            return None
        if rule == "train" and self.gpus > self.assumed.multi_node["gpus"]:
            hours /= self.assumed.multi_node["efficiency"]
        return hours, hours / self.gpus_of(rule)

    def _shortened(self, training: str, hours: float | None) -> float | None:
        """Reduce a training's hours to this scale, which has fewer epochs and cheaper images."""
        schedule = self.table.trainings[training].schedule
        if hours is None or schedule not in self.here.epochs:
            return hours
        share = self.here.epochs[schedule] / self.assumed.epochs[schedule]
        return hours * share * self.here.image

    def _detection_hours(self, evaluation: str) -> float | None:
        """Return hours on the reference GPU, from the config's own hours or from the training's."""
        e = self.table.evaluations[evaluation]
        images = self.assumed.images
        if e.config and e.config != e.training:
            same = [o for o in self.table.evaluations.values() if o.config == e.config]
            share = images[e.split] / sum(images[o.split] for o in same)
            stated = self.assumed.hours.get(e.config)
            return None if stated is None else stated * share
        t = self.table.trainings[e.training]
        t = self.table.trainings[t.init_from or t.id]  # frozen models train too cheaply
        if (stated := self.assumed.hours.get(t.id)) is None:
            return None
        seen = self.assumed.epochs[t.schedule] * images["train"]
        model = self.assumed.detection["share_of_training"] * stated / seen * self.here.image
        return images[e.split] * (model + self.assumed.detection["post_processing_seconds"] / 3600)

    def _gigabytes(self, job: Job) -> float:
        """Return the disk space of missing outputs; a dataset that exists adds nothing."""
        if job.rule == "download":
            files = downloads.load().sets[job.name].values()
            return sum((f.bytes or 0) / 1e9 for f in files if not f.made.exists())
        if job.rule == "train" and self.here.checkpoints:
            # 4 bytes per parameter for the weights, 8 for checkpoints, which hold momentum too.
            weights = 4e-3 * self.millions.get(job.training, 0.0)
            return weights * (1 + 2 * self.here.checkpoints)
        return self.here.gigabytes.get(job.rule, 0.0)


def _seconds(path: Path) -> float:
    """Return the seconds in a job's benchmark; 0 if it is missing or damaged."""
    return next(iter(benchmark(path, "s")), 0.0)
