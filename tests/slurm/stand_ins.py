"""Stand-ins for Slurm's commands, for Snakemake's job and for the workflow of an executor."""

import asyncio
import logging
import threading
from pathlib import Path
from types import SimpleNamespace

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from seesaw.workflow.slurm import ledger
from snakemake_executor_plugin_seesaw_slurm import Executor, ExecutorSettings


def command(place: Path, name: str, script: str) -> None:
    path = place / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def listed(place: Path, *rows: tuple[str, str, str], name: str = "run") -> None:
    """What squeue says: of each job its id, state and reason."""
    lines = [
        f"{job}|{state}|n1|{name}|{reason}|rule_train_wildcards_a01_0"
        for job, state, reason in rows
    ]
    command(place, "squeue", "".join(f"echo '{line}';" for line in lines) or "true")


class Resources(dict):
    __getattr__ = dict.get


class Job(SimpleNamespace):
    __hash__ = object.__hash__  # executors keep jobs in dictionaries


def job(fingerprint: str = "x") -> Job:
    """A training, as Snakemake hands it to an executor."""
    return Job(
        name="train",
        jobid=1,
        rule=SimpleNamespace(name="train"),
        wildcards=["a01", "0"],
        params={"fingerprint": fingerprint},
        resources=Resources(runtime=60, slurm_partition="gpu", slurm_account="lab", gres=""),
        threads=1,
        is_group=lambda: False,
        log_info=lambda: None,
    )


class Alone(Executor):
    """The executor without a workflow, which keeps what it reports of each of Slurm's jobs."""

    def __init__(self, **settings):
        settings = ExecutorSettings(
            status_command="squeue", delete_logfiles_older_than=0, **settings
        )
        self.workflow = SimpleNamespace(
            executor_settings=settings,
            remote_execution_settings=SimpleNamespace(immediate_submit=False),
            workdir_init=Path.cwd(),
        )
        self.logger = logging.getLogger("executor")
        self.__post_init__()
        self.run_uuid = "run"
        self.reported: dict[str | None, str] = {}
        self.errors: list[str] = []
        self.active: list[SubmittedJobInfo] = []
        self._tmpdir, self.active_jobs, self.lock = None, [], threading.Lock()
        self.wait_thread = threading.Thread()
        self.wait_thread.start()

    def format_job_exec(self, job) -> str:
        return "true"

    def report_job_submission(self, job_info) -> None:
        self.active.append(job_info)

    def report_job_success(self, job_info) -> None:
        self.reported[job_info.external_jobid] = "success"

    def report_job_error(self, job_info, msg=None, **_) -> None:
        self.reported[job_info.external_jobid] = "error"
        self.errors.append(msg)

    def submit(self, fingerprint: str = "x") -> str | None:
        """Submit the training; the id of its job in Slurm, None if there is none."""
        before = len(self.active)
        self.run_job(job(fingerprint))
        return self.active[-1].external_jobid if len(self.active) > before else None

    def watching(self, *ids: str) -> "Alone":
        logs = {"slurm_logfile": Path("log")}
        self.active = [SubmittedJobInfo(job(), external_jobid=i, aux=logs) for i in ids]
        return self

    def ask(self) -> dict[str | None, str]:
        """Ask once for all active jobs: `active`, or what was reported of them so far."""

        async def still() -> list[SubmittedJobInfo]:
            return [info async for info in self.check_active_jobs(self.active)]

        self.active = asyncio.run(still())
        return self.reported | {info.external_jobid: "active" for info in self.active}


def end(job: str, *lines: str) -> None:
    ledger.ENDS.mkdir(parents=True, exist_ok=True)
    (ledger.ENDS / job).write_text("".join(f"{line}\n" for line in lines))
