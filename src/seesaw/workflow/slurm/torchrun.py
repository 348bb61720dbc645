"""Runs torchrun with its workers' exit code, on one node or as srun's task on each of several.

python -m seesaw.workflow.slurm.torchrun PROCESSES SCRIPT...   (PROCESSES: number on this node)
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from seesaw.core.files import append_line
from seesaw.workflow.slurm import queue
from seesaw.workflow.slurm.step import pass_on

FAILURES = "SEESAW_FAILURES"  # names a file, to which each node adds its first worker's failure


def main(argv: list[str]) -> int:
    """Run SCRIPT; return its first failing worker's exit code, 128 + number for a signal."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    processes, *script = argv
    arguments = [*rendezvous(os.environ), "--nproc-per-node", processes]
    # torchrun would kill its workers 30 s after SIGTERM, and leave them at once after a second one.
    arguments += ["--signals-to-handle", "SIGINT,SIGHUP,SIGQUIT"]
    signal.signal(signal.SIGTERM, _forward)
    try:
        torchrun([*arguments, *script])
    except SignalException as error:
        return 128 + error.sigval
    except ChildFailedError as error:
        first = error.get_first_failure()[1]
        status = first.exitcode if first.exitcode >= 0 else 128 - first.exitcode
        if file := os.environ.get(FAILURES):
            with suppress(OSError):
                append_line(Path(file), f"{first.timestamp} {status}")
        return status
    return 0


def _forward(number: int, frame: object) -> None:
    if not pass_on(number, os.getpid()):
        sys.exit(128 + number)  # no worker has begun


def rendezvous(environ: Mapping[str, str]) -> list[str]:
    """Return torchrun's arguments to meet the other nodes of the srun step, if there are any.

    The job may have more nodes than the step, such as that of an `salloc` shell.
    """
    nodes = int(environ.get("SLURM_STEP_NUM_NODES", 1))
    if nodes == 1:
        return ["--standalone", "--local-addr", "127.0.0.1"]  # the host's name may not resolve
    hosts = _scontrol("show", "hostnames", environ["SLURM_STEP_NODELIST"]).split("\n")
    first = next(host for host in map(str.strip, hosts) if re.fullmatch(r"[\w.-]+", host))
    facts = _scontrol("-o", "show", "node", first).split()
    address = next(f.partition("=")[2] for f in facts if f.startswith("NodeAddr="))
    # One port for each job, because jobs may share a node.
    port = 20000 + int(environ["SLURM_JOB_ID"]) % 10000
    arguments = ["--nnodes", str(nodes), "--node-rank", environ["SLURM_NODEID"]]
    return [*arguments, "--master-addr", address, "--master-port", str(port)]


def _scontrol(*arguments: str) -> str:
    done = queue.ask_patiently("scontrol", *arguments)
    done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
