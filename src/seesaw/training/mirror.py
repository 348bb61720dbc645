"""W&B as a mirror of the run log, in a process of its own: a training never waits for it.

python -m seesaw.training.mirror LOG MODE

replays LOG into the W&B run that its header names and, until its standard input ends, what is
added. Iterations that the server has already are left out, so a replay is safe at any time. What
goes wrong is one line on stderr. W&B is told nothing of the machine but its name: no code, no
console, no environment.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from seesaw.core import paths
from seesaw.core.secrets import masked
from seesaw.training import run_log

PROJECT = "seesaw"  # WANDB_PROJECT and WANDB_ENTITY hold, if set
START = 30.0  # s
FINISH = 30.0  # s, for what has not been sent when the training ends
PERIOD = 2.0  # s between looks at the log
LATER = "the run log is whole, and `seesaw wandb-sync` sends it later"


class Mirror:
    """A mirror of a log that grows."""

    def __init__(self, log: Path, mode: str):
        self.log, self.mode = log, mode
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start the process, unless the mode is off. OSError if that fails."""
        if self.mode != "off":
            command = [sys.executable, "-m", __name__, str(self.log), self.mode]
            # a session of its own: Ctrl-C is for the training, which then ends this
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
            )

    def end(self, seconds: float | None = None) -> bool:
        """Let it finish, for so long at most; whether it could.

        Args:
            seconds: default the time-outs of starting and finishing.
        """
        if self._process is None:
            return True
        if self._process.stdin:
            self._process.stdin.close()
        try:
            return self._process.wait(START + FINISH if seconds is None else seconds) == 0
        except subprocess.TimeoutExpired:
            process = psutil.Process(self._process.pid)
            family = [*process.children(recursive=True), process]
            for p in family:
                with suppress(psutil.NoSuchProcess):
                    p.kill()
            psutil.wait_procs(family, timeout=5)
            self._process.wait()
            _warn("it does not answer")
            return False


def replay(log: Path, mode: str) -> bool:
    """Send a whole log; whether that worked."""
    mirror = Mirror(log, mode)
    mirror.start()
    return mirror.end()


def main(argv: list[str]) -> int:
    """Mirror a log until standard input ends."""
    # Slurm tells all processes of a job to end; the training then ends this one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    log, mode = Path(argv[0]), argv[1]
    said = os.dup(2)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        _mirror(log, mode)
    except BaseException as error:  # W&B raises SystemExit and others
        os.dup2(said, 2)
        _warn(" ".join(str(error).split()) or type(error).__name__)
        status = 1
    else:
        status = 0
    # not by way of W&B's exit handlers, which may wait for the network
    os._exit(status)


def _mirror(log: Path, mode: str) -> None:
    import wandb

    header = run_log.read(log).header
    run = wandb.init(
        mode=mode,  # type: ignore[arg-type]
        id=header["id"],
        resume="allow",
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        group=header["group"],
        name=header["name"],
        tags=header["tags"],
        config={k: v for k, v in header.items() if k not in ("id", "group", "name", "tags")},
        dir=os.environ.get("WANDB_DIR", paths.ROOT),
        settings=wandb.Settings(
            silent=True,
            console="off",
            save_code=False,
            disable_code=True,
            disable_git=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            init_timeout=START,
            finish_timeout=FINISH,
            finish_timeout_raises=True,
        ),
    )
    run.define_metric("iter")
    run.define_metric("*", step_metric="iter")
    first, last = run.step, 0
    results: dict[str, float] = {}
    for line in _followed(log):
        if "evaluation" in line:
            own = "val" if line["evaluation"] == header["name"] else line["evaluation"]
            scores = {k: v for k, v in line.items() if k.startswith("AP") and v is not None}
            results |= {f"{own}/{k}": v for k, v in scores.items()}
        elif run_log.is_step(line):
            last = line["iter"]
            if last >= first:  # else the server has it
                values = {k: v for k, v in line.items() if v is not None and k != "at"}
                run.log(values | {"_timestamp": line["at"]}, step=last)
    if results:
        run.summary.update(results)
        if last + 1 >= first:
            run.log({"iter": last, **results}, step=last + 1)
    run.finish()


def _followed(log: Path) -> Iterator[dict]:
    """The log's lines, also those that are added, until standard input ends."""
    rest, ended = "", False
    with log.open(encoding="utf-8") as file:
        while not ended:
            # asked before the file is read: nothing that was written before the end is missed
            ended = bool(select.select([sys.stdin], [], [], 0)[0])
            *whole, rest = (rest + file.read()).split("\n")
            yield from run_log.parsed(whole)
            if not ended:
                select.select([sys.stdin], [], [], PERIOD)


def _warn(reason: str) -> None:
    print(f"W&B: {masked(reason).rstrip('.')}; {LATER}.", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
