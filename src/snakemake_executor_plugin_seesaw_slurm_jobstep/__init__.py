"""The official executor of what runs inside a SLURM job, with four additions.

- The step waits while SLURM's controller does not answer: `srun` would fail at once, and with it
  the attempt. The official executor (snakemake-executor-plugin-slurm-jobstep 0.6.1) calls it once;
  about the same of sbatch is snakemake-executor-plugin-slurm issue 313.
- The step keeps SLURM_CONF, without which srun and what the step asks SLURM do not work where the
  site's configuration has another place than SLURM's default. The official executor removes it with
  the job's settings; about the same in a submission is snakemake-executor-plugin-slurm issue 164.
- The step's first process passes signals on, as snakemake issue 3241 and
  snakemake-executor-plugin-slurm issues 242 and 243 ask: see `seesaw.workflow.slurm.step`.
- A finished job writes Snakemake's record of its outputs (parameters, inputs) itself. Snakemake's
  main process writes it when it sees the end of a job; if that process was killed before, Snakemake
  would take the finished work for what an older record says, or for work of unknown origin. In
  `PersistenceBase.finished` (snakemake 9.27), only a process whose mode is the default one writes
  records, so the mode is changed for that call. Upstream has no option for this: snakemake issue
  4084 asks for a way to detach from running jobs, which would need it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import snakemake_executor_plugin_slurm_jobstep as official
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import ExecMode

from seesaw.workflow.slurm import queue
from seesaw.workflow.slurm.resources import gres_option

ExecutorSettings, common_settings = official.ExecutorSettings, official.common_settings

# As in the job's own submission; the official executor asks by `--gpus`: see `gres_option`.
official.get_gpu_setting = lambda job: gres_option(job.resources)


def _start(command: str, env: dict[str, str], **options) -> subprocess.Popen:
    kept = {name: value for name, value in os.environ.items() if name == "SLURM_CONF"}
    return subprocess.Popen(command, env=env | kept, **options)


official.subprocess = SimpleNamespace(Popen=_start, PIPE=subprocess.PIPE)


class Executor(official.Executor):
    """The official executor, which waits for SLURM, passes signals on and keeps records."""

    def run_job(self, job: JobExecutorInterface) -> None:
        """Run a job's step once SLURM's controller answers."""
        queue.await_controller()
        super().run_job(job)

    def format_job_exec(self, job: JobExecutorInterface) -> str:
        """Return the command of the job's own Snakemake, to which signals are passed on."""
        first = f"{shlex.quote(sys.executable)} -m seesaw.workflow.slurm.step"
        return f"{first} {super().format_job_exec(job)}"

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        """Write Snakemake's record of the job, then report its success."""
        settings = self.workflow.workflow_settings
        before, settings.exec_mode = settings.exec_mode, ExecMode.DEFAULT
        try:
            # In a thread of its own: this one runs Snakemake's event loop.
            with ThreadPoolExecutor(max_workers=1) as thread:
                record = self.workflow.persistence.finished(job_info.job)
                thread.submit(asyncio.run, record).result()
        finally:
            settings.exec_mode = before
        super().report_job_success(job_info)
