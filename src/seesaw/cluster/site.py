"""A cluster's settings (site.yaml; absent: defaults) as Snakemake resources and a launcher.

Imports neither torch nor mmdet: the Snakefile reads it in every job.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from seesaw import experiments, paths
from seesaw.cluster import ledger, segments
from seesaw.errors import UserError

FILE = paths.ROOT / "site.yaml"
GPUS = {"single_gpu": 1, "paper": 8}  # of one training, where site.yaml does not say


class Site(BaseModel):
    """What differs from cluster to cluster; site.yaml.example explains each key."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    partition: str = ""
    cpu_partition: str = ""
    account: str = ""
    gpu_model: str = Field(default="", pattern=r"^[\w.]*$")
    gpus: dict[Literal["smoke", "mini", "single_gpu", "paper"], int] = Field(
        default={}, validate_default=True
    )
    gpus_per_node: PositiveInt = 8
    images_per_gpu: PositiveInt = 2
    cpus_per_gpu: PositiveInt = 8
    mem_mb_per_gpu: PositiveInt = 32000
    segment: str = Field(default="24h", pattern=r"^[\d.]+[mhd]$")
    setup: str = ""
    coco: str = ""
    wandb: Literal["off", "offline", "online"] = "off"

    @field_validator("wandb", mode="before")
    @classmethod
    def _off(cls, given: Any) -> Any:
        return "off" if given is False else given  # what YAML makes of a bare off

    @field_validator("gpus")
    @classmethod
    def _over_defaults(cls, gpus: dict[str, int]) -> dict[str, int]:
        return GPUS | gpus

    @model_validator(mode="after")
    def _whole_nodes(self) -> Site:
        for gpus in self.gpus.values():
            if gpus < 0 or (gpus > self.gpus_per_node and gpus % self.gpus_per_node):
                raise ValueError("more GPUs than gpus_per_node must fill whole nodes")
        return self

    def nodes(self, gpus: int) -> int:
        """Nodes of a job with this many GPUs; 1 without."""
        return -(-gpus // self.gpus_per_node) or 1

    def job(
        self,
        *,
        mem_mb: int,
        runtime: str,
        gpus: int = 0,
        work: Callable[..., Path] | None = None,
    ) -> dict[str, Any]:
        """A rule's resources.

        Args:
            mem_mb: memory of a node's share without GPUs; with GPUs at least that of theirs.
            runtime: wall time, as Snakemake writes it.
            gpus: GPUs of the job; above `gpus_per_node` it spans nodes, one srun task on each.
            work: a job's work directory from its wildcards; memory then grows by half for each
                out-of-memory that is recorded there, and for nothing else.
        """
        resources: dict[str, Any] = {"runtime": runtime}
        partition = self.partition if gpus else self.cpu_partition or self.partition
        if partition:
            resources["slurm_partition"] = partition
        if self.account:
            resources["slurm_account"] = self.account
        nodes = self.nodes(gpus)
        here = gpus // nodes
        memory = max(mem_mb, here * self.mem_mb_per_gpu)
        resources["mem_mb"] = memory
        if work is not None:
            resources["mem_mb"] = lambda wildcards: segments.memory(memory, work(wildcards))
        # Also without GPUs: a job's own Snakemake takes the node's cores for the workflow's.
        resources["cpus_per_task"] = here * self.cpus_per_gpu or 1
        if nodes > 1:
            resources |= {"nodes": nodes, "gres": self._gres, "mpi": "srun"}
            # Else the plugin multiplies tasks by GPUs.
            resources |= {"tasks": nodes, "tasks_per_gpu": -1}
        elif gpus:
            resources |= {"nodes": 1, "gpu": gpus}
            if self.gpu_model:
                resources["gpu_model"] = self.gpu_model
        return resources

    def trainer(
        self,
        gpus: int,
        work: str,
        environ: Mapping[str, str] = os.environ,
        alone: str = "seesaw",
        module: str = "-m seesaw.cli",
    ) -> str:
        """The head of the train command: `alone` on one process, else torchrun of `module`.

        In a Slurm job it keeps a lease on `work` and requeues itself when cut off.
        """
        slurm = "SLURM_JOB_ID" in environ
        nodes = self.nodes(gpus)
        command = alone
        if gpus > 1:
            here = gpus // nodes
            command = f"python -m seesaw.cluster.torchrun {here} {module}"
            if nodes > 1 and slurm:
                command = (
                    f"srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 "
                    f"--gres={self._gres} --cpus-per-task={here * self.cpus_per_gpu} "
                    f"--kill-on-bad-exit=1 {command}"
                )
        return f"python -m seesaw.cluster.segments {work} -- {command}" if slurm else command

    @property
    def _gres(self) -> str:
        return ":".join(filter(None, ("gpu", self.gpu_model, str(self.gpus_per_node))))

    def shell_prefix(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """What each command of a Slurm job begins with: the set-up, and a note of its end.

        None outside of Slurm. Braces are doubled: Snakemake formats it.
        """
        job = environ.get("SLURM_JOB_ID")
        if job is None:
            return None
        end = f"echo $? $SECONDS ${{SLURMD_NODENAME:-$HOSTNAME}} >> {ledger.ENDS}/{job}"
        note = f"mkdir -p {ledger.ENDS}; trap '{end}' EXIT"
        # Module systems use unset variables: strict mode comes after them.
        lines = [self.setup.strip() or ":", note, "set -euo pipefail; "]
        return "\n".join(lines).replace("{", "{{").replace("}", "}}")


def load(path: Path = FILE) -> Site:
    """The site's settings.

    Raises:
        UserError: a key is unknown or its value wrong.
    """
    if not path.is_file():
        return Site()
    try:
        return Site.model_validate(experiments.read_yaml(path))
    except ValidationError as error:
        raise UserError(experiments.one_sentence(path, error)) from None
