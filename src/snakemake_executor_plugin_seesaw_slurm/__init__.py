"""Snakemake's official executor for SLURM, made safe for runs of weeks: `executor: seesaw-slurm`.

The official plugin builds each `sbatch` call and cancels jobs. This subclass changes three things.
Issues without another name are those of snakemake-executor-plugin-slurm, whose version here is
2.8.0; where none is named, what the official plugin does was read in that version.

- A submission waits while SLURM's controller does not answer, or the queue has as many jobs as the
  site allows, instead of failing an attempt (issues 313 and 320); it takes over a job of an earlier
  call of Snakemake, killed since, that still does the same work (snakemake issues 3438 and 4084);
  and it excludes the nodes on which earlier attempts at the same work failed. The official plugin
  excludes a node after NODE_FAIL alone, where `sacct` names it, and forgets it with the call.
- A job's state comes from `squeue` and from the job's own note of its end. The official plugin
  waits for ever for a job that no queue lists, that SLURM ended as preempted or, with `requeue`,
  with its node, or that nothing will start (issues 157 and 207).
- GPUs are asked for with `--gres`, not `--gpus`: see `seesaw.workflow.slurm.resources`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import snakemake_executor_plugin_slurm as official
from snakemake.exceptions import WorkflowError
from snakemake_executor_plugin_slurm.utils import get_job_wildcards
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from seesaw.core import paths
from seesaw.workflow.slurm import ledger, queue
from seesaw.workflow.slurm.ledger import Submission
from seesaw.workflow.slurm.resources import gres_option

ExecutorSettings, common_settings = official.ExecutorSettings, official.common_settings

# No arrays are submitted, but without this the official plugin raises an error at its start where
# SLURM's MaxArraySize is below 3, as where a site allows none.
official.get_max_array_size = lambda: 1000
# Not by `--gpus`, which not every site's scheduler knows: see `gres_option`.
official.set_gres_string = lambda job: gres_option(job.resources)


def _leave_job() -> None:
    """Forget the SLURM job in which Snakemake runs, but not where SLURM's configuration is."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        if name != "SLURM_CONF":  # which the official function forgets, too
            del os.environ[name]


official.delete_slurm_environment = _leave_job

# How much a job asks for, as the ledger names it, and Snakemake's resource that sets it.
ASKED = {"-t": "runtime", "--mem": "mem_mb", "--gpus": "gpu", "--gres": "gres", "--nodes": "nodes"}
# In what sbatch calls each limit of jobs in the queue, of a user or an account.
FULL = "SubmitJob"
NO_ANSWER = "SLURM does not answer"
CHANGED = (
    "SLURM job {job} of an earlier call still makes this, of code or configs changed since; "
    "`scancel {job}`, then run the same command again."
)


def no_cluster() -> str | None:
    """Return why jobs cannot be submitted from here; None if they can, or SLURM is only away."""
    instead = "run this where SLURM works, or here with another profile (README)."
    if missing := [name for name in ("sbatch", "squeue", "scancel") if not shutil.which(name)]:
        return f"{missing[0]} is not installed here: {instead}"
    rows, error = queue.mine()
    if rows is None and not queue.AWAY.search(error):
        return f"squeue fails here ({error}): {instead}"
    return None


class Executor(official.Executor):
    """The official executor with patient submissions and complete answers about its jobs."""

    def __post_init__(self, test_mode: bool = False) -> None:
        for name in [name for name in os.environ if name.startswith("SQUEUE_")]:
            del os.environ[name]  # a user's own filter would hide jobs, which then count as lost
        if reason := no_cluster():  # before a local job, such as a download, begins
            raise WorkflowError(reason)
        if self.workflow.executor_settings.array_jobs:
            raise WorkflowError(
                "--seesaw-slurm-array-jobs is not supported, because each job is resumed, taken "
                "over and requeued on its own; leave it out."
            )
        super().__post_init__(test_mode)
        # One submission at a time, because the nodes to exclude and the refusal are attributes.
        self._job_submission_executor = ThreadPoolExecutor(max_workers=1)
        self._failed_nodes: set[str]  # the official executor's
        self._always_excluded = self._failed_nodes
        self._submitting: Submission | None = None
        self._refusal: str | None = None
        self._cancelled = threading.Event()
        self._asked: list[SubmittedJobInfo] = []  # the jobs whose states are being asked for
        self._watch = queue.Watch(self.run_uuid, self.logger.warning)

    def get_account_arg(self, job: JobExecutorInterface) -> Iterator[str]:
        """Yield the option for the site's account, which sbatch itself checks.

        The official check asks sacctmgr, then sshare, which may be missing, closed to users or
        without an answer; it then fails the job (issues 177 and 233). Without an account it
        guesses one by sacct.
        """
        account = job.resources.get("slurm_account")
        yield f" -A {shlex.quote(str(account))}" if account else ""

    def additional_general_args(self) -> str:
        """Make jobs run their step with this project's executor: see the package `..._jobstep`.

        The official plugin has no option for it. Nor does Snakemake pass on up to which size inputs
        are hashed, and a job that ends without it would record no checksum of weights or data.
        """
        ours = super().additional_general_args().replace("slurm-jobstep", "seesaw-slurm-jobstep")
        largest = self.workflow.dag_settings.max_checksum_file_size
        return f"{ours} --max-checksum-file-size {largest}"

    def cancel(self) -> None:
        """Cancel the jobs, but first the waiting submissions.

        The official executor cancels first, and submits what still waits afterwards.
        """
        self._cancelled.set()
        self._job_submission_executor.shutdown(cancel_futures=True)
        super().cancel()

    def shutdown(self) -> None:
        """Delete the folder for which each job waits when it starts, but not after a cancellation.

        A job that escapes it may still be in the queue, and a later call takes it over. Snakemake's
        RemoteExecutor deletes the folder in any case (snakemake-interface-executor-plugins 9.4.0).
        """
        if self._cancelled.is_set():
            self._tmpdir = None  # the official executor then deletes a new, empty folder
        super().shutdown()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel these jobs, and those of this call that are being asked for or submitted.

        Snakemake's list of active jobs lacks these, and jobs of an earlier call, which this one has
        taken over, do not have its name. An error of scancel would end Snakemake's cancellation
        (issue 397).
        """
        try:
            super().cancel_jobs([*active_jobs, *self._asked])
        except (OSError, WorkflowError) as error:  # also if SLURM has forgotten one of them
            self.logger.warning(f"{error}; the next call takes over what still runs.")
        command = ["scancel", "--user", str(os.getuid()), "--name", self.run_uuid]
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, timeout=60, check=False)

    def run_job_pre(self, job: JobExecutorInterface) -> None:
        """Announce a job, which waits until SLURM says that it runs.

        Snakemake's own announcement does not distinguish a queued job from one that runs.
        """
        queue.STATES[job.jobid] = "PENDING"
        super().run_job_pre(job)

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit a job, again and again while SLURM's controller is away or the queue is full.

        The official plugin asks sbatch once (issues 313 and 320).
        """
        until, warned = time.monotonic() + queue.PATIENCE, False
        try:
            work = self._work(job)
            exclude = ledger.bad_nodes(work.key)
            while refusal := self._submit(job, work, exclude):
                words = refusal.partition("sbatch call:")[0]
                away, full = queue.AWAY.search(words), FULL in words
                if full:  # for as long as it takes: a job may run for days
                    until = time.monotonic() + queue.PATIENCE
                if (away or full) and time.monotonic() < until and not self._cancelled.is_set():
                    if not warned:
                        why = "Your queue is as long as the site allows" if full else NO_ANSWER
                        self.logger.warning(f"{why}; {work.key} waits for it.")
                    warned = True
                    self._cancelled.wait(queue.PAUSE * (6 if full else 1))
                elif exclude and not (away or full):
                    exclude = []  # SLURM rejects a job if this excludes all nodes
                else:
                    break
        except Exception as error:  # It would be lost in this thread, and Snakemake would wait.
            refusal = f"The submission failed: {type(error).__name__}: {error}. "
        if refusal:
            super()._report_job_error_threadsafe(SubmittedJobInfo(job), refusal)

    def _work(self, job: JobExecutorInterface) -> Submission:
        """Return a submission of a job as the ledger records it, without an id yet."""
        wildcards = get_job_wildcards(job)
        name = f"{job.name}_wildcards_{wildcards}" if wildcards else job.name
        key = f"{os.environ.get(ledger.SCALE, '')}/{name}"
        fingerprint = getattr(job, "params", {}).get("fingerprint")  # A group has no params.
        asked = {o: str(job.resources[r]) for o, r in ASKED.items() if job.resources.get(r)}
        folder = str(paths.ROOT.resolve())
        return Submission("", self.run_uuid, key, str(fingerprint or ""), asked, folder)

    def _submit(
        self, job: JobExecutorInterface, work: Submission, exclude: list[str]
    ) -> str | None:
        """Submit a job, or take over one that does its work; if rejected, return the reason."""
        rows, error = queue.mine()
        if rows is None:
            return error
        if twin := queue.twin(rows, work):
            if work.fingerprint and twin.fingerprint not in ("", work.fingerprint):
                return CHANGED.format(job=twin.job)
            if twin.run != work.run:
                what = f"is {rows[twin.job].state} and is taken over"
                self.logger.warning(f"SLURM job {twin.job} of an earlier call {what}.")
            logs = self.slurm_logdir / f"rule_{job.name}" / get_job_wildcards(job)
            aux = {"slurm_logfile": logs / f"{twin.job}.log"}
            self._report_job_submission_threadsafe(SubmittedJobInfo(job, twin.job, aux))
            return None
        self._failed_nodes = self._always_excluded | set(exclude)
        self._submitting, self._refusal = work, None
        try:
            super().run_job(job)
        finally:
            self._submitting, self._failed_nodes = None, self._always_excluded
        if exclude and not self._refusal:
            what = f"keeps off {', '.join(exclude)}, where the last one failed"
            self.logger.warning(f"The new attempt at {work.key} {what}.")
        return self._refusal

    def _report_job_submission_threadsafe(self, job_info: SubmittedJobInfo) -> None:
        """Record a submission before Snakemake learns of it."""
        if self._submitting:
            ledger.note(self._submitting._replace(job=job_info.external_jobid))
        super()._report_job_submission_threadsafe(job_info)

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        """Keep the reason of a rejected submission: `run_job` decides whether to try again."""
        if self._submitting:
            self._refusal = msg
        else:
            super()._report_job_error_threadsafe(job_info, msg)

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended; yield all others.

        Snakemake calls this every `seconds-between-status-checks` seconds, and already before
        `__post_init__`, then without jobs. The official plugin yields a job that is in no answer
        for ever (issues 157 and 207).
        """
        if not active_jobs:
            return
        self._asked = active_jobs
        states = self._watch.states([info.external_jobid for info in active_jobs])
        for info in active_jobs:
            state, log = states[info.external_jobid], info.aux["slurm_logfile"]
            queue.STATES[info.job.jobid] = state
            if state == "COMPLETED":
                self.report_job_success(info)
                if not self.workflow.executor_settings.keep_successful_logs:
                    with suppress(OSError):  # such as a stale handle; it would end Snakemake
                        log.unlink()
            elif state in queue.FINAL:
                message = f"SLURM job {info.external_jobid} ended as {state}. "
                self.report_job_error(info, msg=message, aux_logs=[str(log)])
            else:
                yield info
        self._asked = []
