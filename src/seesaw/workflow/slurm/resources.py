"""A site's settings as Snakemake resources, and the launch command of a training there."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seesaw.spec.site import Site
from seesaw.workflow.slurm import ledger, segments


def nodes_of(site: Site, gpus: int) -> int:
    """Return the number of nodes of a job with this many GPUs; 1 without GPUs."""
    return -(-gpus // site.gpus_per_node) or 1


def job(
    site: Site,
    *,
    mem_mb: int,
    runtime: str,
    gpus: int = 0,
    work: Callable[..., Path] | None = None,
) -> dict[str, Any]:
    """Return the resources of a rule.

    Args:
        site: the site's settings.
        mem_mb: memory in MB on each node; with GPUs at least `mem_mb_per_gpu` for each of them.
        runtime: wall time in Snakemake's notation.
        gpus: GPUs of the job; above `gpus_per_node` it spans nodes, with one srun task on each.
        work: function from wildcards to the job's work directory. The memory grows by half for each
            out-of-memory error that is recorded there; without it, for each of the first three
            repetitions.
    """
    resources: dict[str, Any] = {"runtime": runtime}
    partition = site.partition if gpus else site.cpu_partition or site.partition
    if partition:
        resources["slurm_partition"] = partition
    if site.account:
        resources["slurm_account"] = site.account
    nodes = nodes_of(site, gpus)
    here = gpus // nodes
    memory = max(mem_mb, here * site.mem_mb_per_gpu)
    # Snakemake repeats a job that failed for whatever reason; requeued ones note the reason.
    resources["mem_mb"] = lambda wildcards, attempt: round(memory * 1.5 ** min(attempt - 1, 3))
    if work is not None:
        resources["mem_mb"] = lambda wildcards: segments.memory(memory, work(wildcards))
    # Also without GPUs: else the Snakemake in a job takes the node's cores for the workflow's.
    resources["cpus_per_task"] = here * site.cpus_per_gpu or 1
    if nodes > 1:
        resources |= {"nodes": nodes, "gres": _gpus(site.gpu_model, here), "mpi": "srun"}
        # Otherwise the plugin multiplies tasks by GPUs (snakemake-executor-plugin-slurm issue 316).
        resources |= {"tasks": nodes, "tasks_per_gpu": -1}
    elif gpus:
        resources |= {"nodes": 1, "gpu": gpus}
        if site.gpu_model:
            resources["gpu_model"] = site.gpu_model
    return resources


def trainer(
    site: Site,
    gpus: int,
    work: str,
    environ: Mapping[str, str] = os.environ,
    alone: str = "seesaw",
    module: str = "-m seesaw.cli",
) -> str:
    """Return the start of a command that may take days: `alone`, or torchrun of `module` on GPUs.

    In a SLURM job, the command holds a lease on `work` and, if the workflow submitted the job,
    requeues it when it is interrupted. A container within a job, which lacks SLURM's commands, can
    do neither.
    """
    slurm = "SLURM_JOB_ID" in environ and shutil.which("squeue", path=environ.get("PATH"))
    nodes = nodes_of(site, gpus)
    command = alone
    if gpus > 1:
        here = gpus // nodes
        command = f"python -m seesaw.workflow.slurm.torchrun {here} {module}"
        if nodes > 1 and slurm:
            command = (
                f"srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 "
                f"--gres={_gpus(site.gpu_model, here)} --cpus-per-task={here * site.cpus_per_gpu} "
                f"--kill-on-bad-exit=1 {command}"
            )
    return f"python -m seesaw.workflow.slurm.segments {work} -- {command}" if slurm else command


def gres_option(asked: Mapping[str, Any]) -> str:
    """Return the option of sbatch and srun for what a job asks for on each node, such as GPUs.

    The official plugins ask for GPUs with `--gpus`, which only select/cons_tres knows; others
    reject the job (radical.saga issue 835). On one node `--gres` means the same, and
    select/cons_res knows it too. The official plugins also refuse a list in `gres`
    (snakemake-executor-plugin-slurm issue 466), and give `gres` and GPUs as two options.

    Args:
        asked: the job's resources, of which `gres`, `gpu` and `gpu_model` count.
    """
    gres, gpus = asked.get("gres"), asked.get("gpu")
    parts = [gres] if gres else []
    if gpus:
        parts.append(_gpus(asked.get("gpu_model"), gpus))
    return f" --gres={shlex.quote(','.join(parts))}" if parts else ""


def _gpus(model: str | None, count: int) -> str:
    return ":".join(filter(None, ("gpu", model, str(count))))


def shell_prefix(site: Site, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the start of each command in a SLURM job: the set-up, and traps that record its end.

    A signal that SLURM sends to all processes of the job must not end the shell before the command:
    SLURM would kill the command while it saves, and the shell would record exit code 0. Returns
    None outside of SLURM. Braces are doubled because Snakemake formats the string.
    """
    job = environ.get("SLURM_JOB_ID")
    if job is None:
        return None
    end = f"echo $? $SECONDS ${{SLURMD_NODENAME:-$HOSTNAME}} >> {ledger.ENDS}/{job}"
    note = f"mkdir -p {ledger.ENDS}; trap '{end}' EXIT; trap : TERM"
    # Module systems use unset variables, so strict mode is set after them.
    lines = [site.setup.strip() or ":", note, "set -euo pipefail; "]
    return "\n".join(lines).replace("{", "{{").replace("}", "}}")
