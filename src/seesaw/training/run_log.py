"""The run log, `log.jsonl`: one run of a training as JSON lines.

The first line is the header, ``{"run": {...}}``, which identifies the training. It is followed by

- ``{"attempt": n, "iter": k, "at": s, "host", "iterations", "git", "remarks", ...}`` whenever the
  training (re)starts; ``iterations`` is the length of the whole training;
- ``{"iter": i, "at": s, "lr", "time", "memory", "loss", ...}``, ascending in ``iter``, with means
  over the iterations since the previous line; ``at`` is in s since 1970, ``time`` in s per
  iteration, ``lr`` the current rate, ``memory`` the peak so far in MiB (of the GPU or, without
  one, of the process);
- ``{"evaluation": id, "iter": i, "AP", "AP_r", ...}`` for each evaluation of the finished model.

The log is written in the work directory and copied beside the finished model. This module does not
import torch.
"""

from __future__ import annotations

import fcntl
import json
import math
import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from seesaw.core.files import write_atomic
from seesaw.core.secrets import masked

NAME = "log.jsonl"


class RunLog(NamedTuple):
    """The content of a run log."""

    header: dict
    attempts: list[dict]
    steps: list[dict]
    evaluations: list[dict]  # the last one of each id


def read(path: Path) -> RunLog:
    """Read a run log without incomplete lines; a missing file gives an empty log."""
    lines = _lines(path)
    header: dict = next((line["run"] for line in lines if isinstance(line.get("run"), dict)), {})
    evaluations = {str(line["evaluation"]): line for line in lines if "evaluation" in line}
    return RunLog(
        header,
        [line for line in lines if "attempt" in line and isinstance(line.get("iter"), int)],
        [line for line in lines if is_step(line)],
        list(evaluations.values()),
    )


def is_step(line: dict) -> bool:
    """Return whether a line describes an iteration."""
    known = isinstance(line.get("iter"), int)  # else a damaged line
    return known and "attempt" not in line and "evaluation" not in line


def pace(steps: list[dict]) -> float | None:
    """Return the mean of the logged seconds per iteration, over all steps; None without any."""
    begins = [0, *(line["iter"] for line in steps)]
    windows = [
        (s["iter"] - n, s["time"]) for n, s in zip(begins, steps, strict=False) if s.get("time")
    ]
    seconds = sum(count * each for count, each in windows)
    return round(seconds / sum(count for count, _ in windows), 4) if windows else None


def begin(path: Path, header: dict, iteration: int, **facts: Any) -> None:
    """Start a log, or continue one without its lines after ``iteration`` and its evaluations.

    The header of the first attempt is kept. ``header`` is the training's identity, of which
    ``iteration`` iterations are already done; ``facts`` are those of this attempt.
    """
    old = read(path)
    kept = [line for line in old.steps if line["iter"] <= iteration]
    attempt: dict[str, Any] = {"attempt": len(old.attempts) + 1, "iter": iteration, "at": _now()}
    attempt |= {"host": platform.node(), **facts}
    lines = [{"run": old.header or header}, *old.attempts, *kept, attempt]
    write_atomic(path, "".join(map(dumped, lines)))


def step(iteration: int, values: dict[str, float]) -> dict:
    """Return the line of an iteration; a value that is not finite becomes null."""
    plain = {k: float(f"{v:.6g}") if math.isfinite(v) else None for k, v in values.items()}
    return {"iter": iteration, "at": _now(), **plain}


def append_evaluation(path: Path, evaluation: str, metrics: dict[str, float | None]) -> bool:
    """Append the result of an evaluation, below a line that a full disk has left incomplete.

    Returns False if the model has no log, or one that cannot be written, as where DVC links it.
    """
    if not path.is_file():
        return False
    done = max((line["iter"] for line in read(path).steps), default=0)
    text = dumped({"evaluation": evaluation, "iter": done, "at": _now(), **metrics})
    try:
        with path.open("a", encoding="utf-8") as file:
            with suppress(OSError):  # no locks here; two evaluations at once are rare
                fcntl.flock(file, fcntl.LOCK_EX)
            torn = not path.read_bytes().endswith(b"\n")
            file.write("\n" * torn + text)
    except OSError as error:
        print(f"{path} cannot be written ({error.strerror}); its curves lack {evaluation}.")
        return False
    return True


def dumped(line: dict) -> str:
    """Return a line of the log as JSON in which secrets are masked."""
    return json.dumps(masked(line), ensure_ascii=False) + "\n"


def _lines(path: Path) -> list[dict]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return list(parsed(text.split("\n")))  # splitlines would also split at U+2028


def parsed(lines: Iterable[str]) -> Iterable[dict]:
    """Yield the JSON objects among lines; a killed training leaves an incomplete last line."""
    for line in lines:
        with suppress(ValueError):
            if isinstance(content := json.loads(line), dict):
                yield content


def _now() -> float:
    return round(time.time(), 3)
