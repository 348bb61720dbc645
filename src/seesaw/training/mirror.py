"""Mirror the run log to W&B in a separate process, so that a training never waits for W&B.

The command ``python -m seesaw.training.mirror LOG MODE [EXTRAS]`` sends the content of LOG, and new
lines until its standard input ends, to the W&B run that the header of LOG names. Iterations that
the server already has are skipped, so a log can be sent again at any time. EXTRAS is a JSON file of
`seesaw.results.wandb`, with what is shown beside the curves. An error is reported as one line on
stderr. Of the machine W&B receives only its name: no code, no console output, no environment.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from seesaw.core import paths
from seesaw.core.secrets import masked
from seesaw.spec.metrics import METRICS
from seesaw.training import run_log

PROJECT = "seesaw"  # WANDB_PROJECT and WANDB_ENTITY override it
START = 30.0  # s
FINISH = 30.0  # s, to send the remaining lines after the training's end
OWN = ("id", "group", "name", "tags")  # what W&B has of a header beside the config
TAG = 64  # characters that W&B takes; the name of a user's dataset may have more
PERIOD = 2.0  # s between reads of the log
LATER = "the run log is whole, and `seesaw wandb-sync` sends it later"


class Mirror:
    """The process that mirrors a growing log.

    ``mode`` is off, offline or online; for ``extras`` see this module's docstring.
    """

    def __init__(self, log: Path, mode: str, extras: Path | None = None):
        self.mode = mode
        self._files = [str(path) for path in (log, extras) if path]
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start the process, unless the mode is off; print one warning if it cannot start."""
        if self.mode != "off":
            log, *extras = self._files
            command = [sys.executable, "-m", __name__, log, self.mode, *extras]
            quiet = subprocess.DEVNULL
            # in a new session, so that Ctrl-C reaches only the training, which ends this process
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=quiet, start_new_session=True
                )
            except OSError as error:
                warn(f"its process cannot be started ({error.strerror})")

    def end(self, seconds: float | None = None) -> bool:
        """Wait for the process, kill it after a time-out, and return whether it succeeded.

        ``seconds`` is by default the time-outs of starting and finishing together.
        """
        if self._process is None:
            return self.mode == "off"
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
            warn("it does not answer")
            return False


def replay(
    log: Path, mode: str, extras: Path | None = None, seconds: float = START + FINISH
) -> bool:
    """Send a complete log and its extras within a time; return whether that succeeded."""
    mirror = Mirror(log, mode, extras)
    mirror.start()
    return mirror.end(seconds)


def main(argv: list[str]) -> int:
    """Mirror a log until standard input ends, then end the process with 0, or 1 on an error."""
    # SLURM signals all processes of a job; the training then ends this one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    log, mode = Path(argv[0]), argv[1]
    said = os.dup(2)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        _mirror(log, mode, json.loads(Path(argv[2]).read_bytes()) if argv[2:] else {})
    except BaseException as error:  # W&B raises SystemExit and others
        os.dup2(said, 2)
        warn(" ".join(str(error).split()) or type(error).__name__)
        status = 1
    else:
        status = 0
    # skips W&B's exit handlers, which may wait for the network
    os._exit(status)


def _mirror(log: Path, mode: str, extras: dict) -> None:
    import wandb

    header = run_log.read(log).header
    run = _started(header, mode, extras.get("seconds", FINISH))
    run.define_metric("iter")
    run.define_metric("*", step_metric="iter")
    first, last = run.step, 0
    results: dict[str, float] = {}
    for line in _followed(log):
        if "evaluation" in line:
            own = "val" if line["evaluation"] == header["name"] else line["evaluation"]
            scores = {k: v for k, v in line.items() if k in METRICS and v is not None}
            results |= {f"{own}/{k}": v for k, v in scores.items()}
        elif run_log.is_step(line):
            last = line["iter"]
            if last >= first:  # otherwise the server has the line
                values = {k: v for k, v in line.items() if v is not None and k != "at"}
                run.log(values | {"_timestamp": line["at"]}, step=last)
    if results:
        run.summary.update(results | extras.get("summary", {}))
        step = max(last + 1, first)  # behind what the server has of earlier evaluations
        run.log({"iter": last, **results, **_media(extras)}, step=step)
    if model := extras.get("model"):
        artifact = wandb.Artifact(header["id"], type="model", metadata=model["metadata"])
        for path in model["files"]:
            artifact.add_file(path, policy="immutable")
        run.log_artifact(artifact)
    run.finish()


def _started(header: dict, mode: str, finish: float) -> Any:
    """Start the W&B run of a header, or resume it; it has ``finish`` seconds to send the rest."""
    import wandb

    return wandb.init(
        mode=mode,  # type: ignore[arg-type]
        id=header["id"],
        resume="allow",
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        group=header["group"],
        name=header["name"],
        tags=[tag[:TAG] for tag in header["tags"]],
        config=masked({k: v for k, v in header.items() if k not in OWN}),
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
            finish_timeout=finish,
            finish_timeout_raises=True,
        ),
    )


def _media(extras: dict) -> dict:
    """Return images with boxes and masks, and curves, as W&B shows them."""
    import wandb

    found: dict[str, Any] = {}
    for key, shown in extras.get("pictures", {}).items():
        labels = dict(enumerate(shown["labels"]))
        for part in (p for i in shown["images"] for k in ("boxes", "masks") for p in i[k].values()):
            part["class_labels"] = labels
        found[key] = [wandb.Image(**image) for image in shown["images"]]
    for key, curves in extras.get("curves", {}).items():
        names, lines = list(curves["lines"]), list(curves["lines"].values())
        found[key] = wandb.plot.line_series(
            xs=curves["x"], ys=lines, keys=names, title=curves["title"], xname=curves["name"]
        )
    return found


def _followed(log: Path) -> Iterator[dict]:
    """Yield the lines of the log, including new ones, until standard input ends."""
    rest, ended = "", False
    with log.open(encoding="utf-8") as file:
        while not ended:
            # checked before the file is read, so that no line written before the end is missed
            ended = bool(select.select([sys.stdin], [], [], 0)[0])
            *whole, rest = (rest + file.read()).split("\n")
            yield from run_log.parsed(whole)
            if not ended:
                select.select([sys.stdin], [], [], PERIOD)


def warn(reason: str) -> None:
    """Say in one line why the log was not sent."""
    print(f"W&B: {masked(reason).rstrip('.')}; {LATER}.", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
