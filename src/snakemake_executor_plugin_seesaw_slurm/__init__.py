"""Snakemake's official executor for SLURM, made safe for runs of weeks: `executor: seesaw-slurm`.

The official plugin builds each `sbatch` call and cancels jobs. This subclass changes two things.

- A submission waits while SLURM's controller does not answer, instead of failing an attempt
  (snakemake-executor-plugin-slurm issues 313 and 320); it takes over a job of an earlier call of
  Snakemake, killed since, that still does the same work (snakemake issues 3438 and 4084); and it
  excludes the nodes on which earlier attempts at the same work failed.
- A job's state comes from `squeue` and from the job's own note of its end. The official plugin
  waits for ever for a job that no queue lists, that SLURM ended as preempted or with its node, or
  that nothing will start (snakemake-executor-plugin-slurm issues 157 and 207).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import snakemake_executor_plugin_slurm as official
from snakemake_executor_plugin_slurm import ExecutorSettings, common_settings
from snakemake_executor_plugin_slurm.utils import get_job_wildcards
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from seesaw.cluster import ledger, queue, sbatch
from seesaw.cluster.ledger import Submission
from seesaw.cluster.squeue import Watch

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

# How much a job asks for: the option of sbatch and Snakemake's resource that sets it.
ASKED = {"-t": "runtime", "--mem": "mem_mb", "--gpus": "gpu", "--gres": "gres", "--nodes": "nodes"}


class Executor(official.Executor):
    """The official executor with patient submissions and complete answers about its jobs."""

    def __post_init__(self, test_mode: bool = False) -> None:
        super().__post_init__(test_mode)
        # One submission at a time, because the nodes to exclude and the refusal are attributes.
        self._job_submission_executor = ThreadPoolExecutor(max_workers=1)
        self._always_excluded = set(self._failed_nodes)
        self._submitting: JobExecutorInterface | None = None
        self._refusal: str | None = None
        self._cancelled = threading.Event()
        self._watch = Watch(self.run_uuid, self.logger.warning)

    def additional_general_args(self) -> str:
        """Let a job run its step by this project's executor: see the package `..._jobstep`."""
        return super().additional_general_args().replace("slurm-jobstep", "seesaw-slurm-jobstep")

    def cancel(self) -> None:
        """Cancel the jobs and end a submission that waits for the controller."""
        self._cancelled.set()
        super().cancel()

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit a job; an exception would be lost in this thread, and Snakemake would wait."""
        try:
            self._submit_patiently(job)
        except Exception as error:
            super()._report_job_error_threadsafe(
                SubmittedJobInfo(job), f"The submission failed: {type(error).__name__}: {error}. "
            )

    def _submit_patiently(self, job: JobExecutorInterface) -> None:
        """Submit a job, again and again while SLURM's controller is away."""
        work = self._work(job)
        exclude = sbatch.bad_nodes(work.key)
        until = time.monotonic() + queue.PATIENCE
        told = False
        while (refusal := self._submit(job, work, exclude)) is not None:
            away = sbatch.AWAY.search(refusal.partition("sbatch call:")[0])
            if away and time.monotonic() < until and not self._cancelled.is_set():
                if not told:
                    self.logger.warning(
                        f"SLURM does not answer ({away.group()}); {work.key} is submitted as soon "
                        "as it does."
                    )
                told = True
                self._cancelled.wait(queue.PAUSE)
            elif exclude and not away:
                exclude = []  # SLURM refuses the job where there is no other node.
            else:
                super()._report_job_error_threadsafe(SubmittedJobInfo(job), refusal)
                return

    def _work(self, job: JobExecutorInterface) -> Submission:
        """What a submission of a job does, as the ledger notes it; it has no id yet."""
        wildcards = get_job_wildcards(job)
        name = f"{job.name}_wildcards_{wildcards}" if wildcards else job.name
        params = getattr(job, "params", {})  # A group of jobs has none.
        asked = {option: job.resources.get(resource) for option, resource in ASKED.items()}
        return Submission(
            job="",
            run=self.run_uuid,
            key=f"{os.environ.get(ledger.RUN, '')}/{name}",
            fingerprint=str(params.get("fingerprint") or ""),
            asked={option: str(value) for option, value in asked.items() if value},
        )

    def _submit(
        self, job: JobExecutorInterface, work: Submission, exclude: list[str]
    ) -> str | None:
        """Submit a job once, or take over the job that does its work; if refused, say why."""
        queue.await_controller(self._cancelled.wait)
        rows, error = queue.mine()
        if rows is None:
            return error
        twin, known = sbatch.twin(rows, work)
        if twin is None:
            self._failed_nodes = self._always_excluded | set(exclude)
            self._submitting, self._refusal = job, None
            super().run_job(job)
            self._submitting, self._failed_nodes = None, self._always_excluded
            if exclude and self._refusal is None:
                nodes = ", ".join(exclude)
                self.logger.warning(
                    f"The next attempt at {work.key} keeps off {nodes}, where the last one failed."
                )
            return self._refusal
        if known and work.fingerprint and known.fingerprint not in ("", work.fingerprint):
            return sbatch.CHANGED.format(job=twin.job)
        if known is None:  # SLURM's answer to our submission was lost.
            ledger.note(work._replace(job=twin.job))
        else:
            self.logger.warning(
                f"SLURM job {twin.job} of an earlier call is {twin.state} and is taken over."
            )
        super()._report_job_submission_threadsafe(
            SubmittedJobInfo(
                job, external_jobid=twin.job, aux={"slurm_logfile": self._log(job, twin.job)}
            )
        )
        return None

    def _log(self, job: JobExecutorInterface, slurm_job: str) -> Path:
        folder = f"group_{job.name}" if job.is_group() else f"rule_{job.name}"
        return self.slurm_logdir / folder / get_job_wildcards(job) / f"{slurm_job}.log"

    def _report_job_submission_threadsafe(self, job_info: SubmittedJobInfo) -> None:
        """Note a submission before Snakemake knows of it."""
        ledger.note(self._work(job_info.job)._replace(job=job_info.external_jobid))
        super()._report_job_submission_threadsafe(job_info)

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        """Keep why a submission was refused: `run_job` decides whether to try again."""
        if job_info.job is self._submitting:
            self._refusal = msg
        else:
            super()._report_job_error_threadsafe(job_info, msg)

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended; yield all others.

        Snakemake asks each `seconds-between-status-checks`. It may ask before `__post_init__` has
        run, but not for any job.
        """
        if not active_jobs:
            return
        states = self._watch.states([info.external_jobid for info in active_jobs])
        for info in active_jobs:
            state, log = states[info.external_jobid], info.aux["slurm_logfile"]
            if state == "COMPLETED":
                self.report_job_success(info)
                if not self.workflow.executor_settings.keep_successful_logs:
                    log.unlink(missing_ok=True)
            elif state in queue.FINAL:
                told = f"SLURM job {info.external_jobid} ended as {state}. "
                self.report_job_error(info, msg=told, aux_logs=[str(log)])
            else:
                yield info
