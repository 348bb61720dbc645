"""A lease on a work directory, which lets only one job write there.

A job that still runs on a node that SLURM has given up must not write beside its requeued
successor. SLURM decides which job may write: a job waits for the lease of a running job and takes
over any other; the job that lost it notices within `period` seconds and stops. Clocks are not
compared.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

import psutil
from typing_extensions import NotRequired, TypedDict

from seesaw.core.json import json_or_none
from seesaw.errors import UserError
from seesaw.workflow.slurm import ledger, queue

PERIOD = 20.0
WAIT = 600.0


class _Holder(TypedDict):
    job: str
    host: str
    pid: int
    id: str
    folder: NotRequired[str]


class Lease:
    """A context manager that holds the lease on a directory from entry to exit, and makes it.

    The holder checks every ``period`` seconds; another running job is waited for ``wait`` seconds.

    Raises:
        UserError: another running job holds it, or it cannot be written.
    """

    def __init__(self, path: Path, job: str, period: float | None = None, wait: float = WAIT):
        self.path = path
        self.job = job
        self.period = period or float(os.environ.get("SEESAW_LEASE_SECONDS", PERIOD))
        self.wait = wait
        here = dict(host=platform.node(), pid=os.getpid(), folder=str(path.parent.resolve()))
        self.text = json.dumps(dict(job=job, **here, id=uuid.uuid4().hex))

    def __enter__(self) -> Lease:
        own = self.path.with_name(f".lease.{uuid.uuid4().hex}")
        try:
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(self.text, encoding="utf-8")
            self._take(own)
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}); make room there and run the "
                "same command again."
            ) from error
        finally:
            with suppress(OSError):
                own.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        if self.held():
            with suppress(OSError):  # the work is done all the same; the next job takes it over
                self.path.unlink(missing_ok=True)

    def held(self) -> bool:
        """Whether this job still holds the lease; assumed if the file cannot be read."""
        try:
            return self.path.read_bytes() == self.text.encode()
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def _begin(self, own: Path) -> None:
        """Make the lease; raises FileExistsError if there is one, on network file systems too."""
        try:
            os.link(own, self.path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            with self.path.open("x", encoding="utf-8") as file:
                file.write(self.text)

    def _take(self, own: Path) -> None:
        until = time.monotonic() + self.wait
        while True:
            try:
                self._begin(own)
                return
            except FileExistsError:
                other = holder_of(self.path)
            if other is None or other["job"] == self.job or not _running(other["job"]):
                os.replace(own, self.path)  # not by `replacing`: the same file is tried as a link
                if other is None or not _dead_here(other):
                    time.sleep(2 * self.period)  # until it has noticed the loss
                if self.held():
                    return
                own.write_text(self.text, encoding="utf-8")
            elif time.monotonic() > until:
                raise _busy(self.path, other)
            else:
                time.sleep(min(self.period, max(self.wait / 10, 0.1)))


def holder_of(path: Path) -> _Holder | None:
    """Return what a lease says; a damaged one is replaced, which its holder notices.

    None also if it came with a copy of the folder in which its holder works.
    """
    found = json_or_none(path, _Holder)
    return None if found and ledger.copied(found.get("folder", ""), path.parent) else found


def leave_to_job(path: Path) -> None:
    """Refuse to work outside of SLURM where a SLURM job works.

    Raises:
        UserError: a running job holds the lease.
    """
    if "SLURM_JOB_ID" in os.environ or not shutil.which("squeue"):
        return
    other = holder_of(path)
    if other and _running(other["job"]):
        raise _busy(path, other)


def _busy(path: Path, other: _Holder) -> UserError:
    return UserError(
        f"{path}: SLURM job {other['job']} on {other['host']} does this already; "
        f"wait for it, or `scancel {other['job']}` and run the same command again."
    )


def _running(job: str) -> bool:
    """Whether a job occupies a node; assumed if SLURM does not answer."""
    if not job:
        return False
    answer = queue.ask("squeue", "-h", "-j", job, "-o", "%T")
    if answer.returncode:
        return "Invalid job id" not in answer.stderr
    return not {"RUNNING", "COMPLETING", "SUSPENDED"}.isdisjoint(queue.answered(answer))


def _dead_here(other: _Holder) -> bool:
    return other["host"] == platform.node() and not psutil.pid_exists(other["pid"])
