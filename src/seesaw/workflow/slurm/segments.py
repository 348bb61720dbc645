"""One SLURM job's part of a training or detection: its deadline, lease and requeueing.

python -m seesaw.workflow.slurm.segments WORK -- COMMAND...

COMMAND exits with 75 if it was interrupted and can be resumed. A job that the workflow submitted
then requeues itself under the same id, so that reaching its time limit does not use up a retry.
`WORK/segments.jsonl` has a line for each segment. SEESAW_DEADLINE holds the time by which COMMAND
must stop, in seconds since 1970.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from seesaw.core.files import append_line
from seesaw.core.records import read_record
from seesaw.core.secrets import masked
from seesaw.errors import Interrupted, UserError
from seesaw.training.run_log import parsed
from seesaw.workflow.slurm import ledger, queue
from seesaw.workflow.slurm.lease import Lease, holder_of
from seesaw.workflow.slurm.step import pass_on
from seesaw.workflow.slurm.torchrun import FAILURES

CUT_OFF = os.EX_TEMPFAIL
MISTAKE = 2
# Number of interrupted segments in a row without progress after which the job gives up.
PATIENCE = 3
# Fraction of the remaining time kept for requeueing; the trainer keeps its own for a checkpoint.
RESERVE = 0.1
RESERVE_SECONDS = 60
ANSWER = 300
_READ = {"job", "status", "done", "out_of_memory"}  # the fields of a segment that are read
# Seconds to wait for SLURM's signal to a requeued job: less than KillWait, after which it kills the
# shell that notes the job's hours.
END = 2


def main(argv: list[str]) -> int:
    """Run one segment and return the command's exit code."""
    work, command = Path(argv[0]), argv[2:]
    job = os.environ["SLURM_JOB_ID"]
    try:
        with Lease(work / "lease", job) as lease:
            status, signalled = _run(work, job, command, lease)
    except UserError as error:
        print(f"seesaw: {masked(error)}", file=sys.stderr)
        return MISTAKE
    # The sender of a signal decides what follows: SLURM requeues the jobs that it preempts. But in
    # the grace time of a preemption the job still runs, and would count as failed if it ended.
    if status != CUT_OFF or (signalled and not _runs(job)):
        return status
    if not signalled and (fault := stuck(work)):
        print(f"seesaw: {fault}", file=sys.stderr)
        return MISTAKE
    if all(one.job != job for one in ledger.submitted()):  # a user's own, with other commands
        fix = "submit it again, and the work goes on from what is saved"
        print(f"seesaw: SLURM job {job} is not requeued, as it is not this workflow's; {fix}.")
        return CUT_OFF
    return _requeue(job)


def records(work: Path) -> list[dict]:
    """Return the segments of a work directory, oldest first, without damaged lines."""
    lines = parsed(ledger.text_lines(work / "segments.jsonl"))
    return [line for line in lines if line.keys() >= _READ]


def memory(mem_mb: int, work: Path) -> int:
    """Return the MB to request: at least half as much again as any job here killed for memory.

    SLURM may kill this process with the command, or only one that the command does without; then
    only the queue has said why the job ended.
    """
    segments = records(work)
    killed = {r["job"] for r in segments if r["out_of_memory"]}
    failed = {r["job"] for r in segments if r["status"] not in (0, CUT_OFF)} - killed
    if left := holder_of(work / "lease"):
        failed.add(left["job"])
    killed |= {job for job in failed if ledger.seen(job).get("state") == "OUT_OF_MEMORY"}
    asked = (one.asked.get("--mem", 0) for one in ledger.submitted() if one.job in killed)
    return max([mem_mb, *(int(1.5 * ledger.amount(megabytes)) for megabytes in asked)])


def stuck(work: Path) -> str | None:
    """Return a sentence if the last segments were all interrupted at the same point."""
    last = records(work)[-PATIENCE:]
    at = {r["done"] for r in last}
    if len(last) < PATIENCE or len(at) > 1 or any(r["status"] != CUT_OFF for r in last):
        return None
    return (
        f"{work}: {PATIENCE} jobs in a row were cut off and none came further than {at.pop()}; "
        f"make `segment` in site.yaml longer."
    )


def deadline(job: str) -> float | None:
    """Return by when a job's command must stop, in seconds since 1970; None without a limit.

    SLURM's controller ends the job by its own clock. Where that has the job begin in the future, it
    is ahead of this node's.
    """
    for line in queue.answered(_slurm("squeue", "-h", "-j", job, "-o", "%e|%S")):
        with suppress(ValueError):
            text, _, begun = line.partition("|")
            end, now = _since_1970(text), time.time()
            with suppress(ValueError):
                end -= max(0, _since_1970(begun) - now)
            return end - min(RESERVE_SECONDS, RESERVE * (end - now))
    return None


def _since_1970(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").timestamp()


def _run(work: Path, job: str, command: list[str], lease: Lease) -> tuple[int, bool]:
    """Return the command's exit code, and whether a signal was forwarded to it."""
    (work / Interrupted.RECORD).unlink(missing_ok=True)
    failures = work / "failures"  # made here, so that this node sees what others add on NFS
    with suppress(OSError):
        failures.write_text("")
    environment = os.environ | {FAILURES: str(failures.absolute())}
    if (until := deadline(job)) is not None:
        environment["SEESAW_DEADLINE"] = f"{until:.0f}"
    else:
        print(
            f"squeue names no end of job {job}, before which its state would be saved.", flush=True
        )
    started = time.time()
    child = subprocess.Popen(command, env=environment)
    signals: list[int] = []

    def forward(number: int, frame: object) -> None:
        signals.append(number)
        child.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    while True:
        try:
            status = child.wait(lease.period)
            break
        except subprocess.TimeoutExpired:
            if not lease.held():
                _kill(child)
                lost, fix = "damaged or deleted", "run the same command again"
                if new := holder_of(lease.path):
                    lost = f"SLURM job {new['job']} has taken this work over"
                    fix = "nothing is to be done"
                raise UserError(
                    f"{lease.path}: {lost}; this SLURM job ({job}) has stopped and {fix}."
                ) from None
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if status and (work / Interrupted.RECORD).exists():
        status = CUT_OFF
    elif status:
        status = _first(failures, status)
    status = status if status >= 0 else 128 - status
    line = dict(
        job=job,
        host=os.environ.get("SLURMD_NODENAME") or platform.node(),
        started=round(started),
        until=until,
        status=status,
        seconds=round(time.time() - started),
        done=(read_record(work / Interrupted.RECORD) or {}).get("done"),
        # The kernel kills with SIGKILL; SLURM first sends a signal that this process forwards.
        out_of_memory=status == 128 + signal.SIGKILL and not signals,
    )
    try:
        append_line(work / "segments.jsonl", json.dumps(line))
    except OSError as error:  # on a full disk the command's own result still counts
        print(f"seesaw: {error.filename or work}: {error.strerror}; this segment is not recorded.")
    return status, bool(signals)


def _first(failures: Path, status: int) -> int:
    """Return the exit code of the process that failed first on any node, or ``status``.

    srun ends with 137 where a node's processes wait for those that have failed on another one,
    because it has to kill them.
    """
    found = []
    for line in ledger.text_lines(failures):
        with suppress(ValueError):
            when, code = line.split()
            found.append((int(when), int(code)))
    return min(found)[1] if found else status


def _kill(child: subprocess.Popen) -> None:
    """Kill a command and all its descendants, because torchrun's workers would survive it."""
    pass_on(signal.SIGKILL, child.pid)
    child.kill()
    child.wait()


def _slurm(*command: str) -> subprocess.CompletedProcess[str]:
    """Ask SLURM's controller, which may be unavailable for a while."""
    until = time.monotonic() + ANSWER
    while True:
        answer = queue.ask(*command)
        if answer.returncode == 0 or time.monotonic() > until:
            return answer
        time.sleep(5)


def _runs(job: str) -> bool:
    """Whether a job neither ends nor is requeued already."""
    return "RUNNING" in queue.answered(_slurm("squeue", "-h", "-j", job, "-o", "%T"))


def _requeue(job: str) -> int:
    # The signal with which SLURM ends this job must not change the exit code that its shell notes.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    answer = _slurm("scontrol", "requeue", job)
    if answer.returncode:
        print(f"seesaw: SLURM job {job} could not requeue itself: {answer.stderr.strip()}")
    else:
        signal.sigtimedwait({signal.SIGTERM}, END)
    return CUT_OFF


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
