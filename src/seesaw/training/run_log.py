"""The run log: one training as JSON lines, `log.jsonl`.

The first line is the header, ``{"run": {...}}``: what the training is. Then come, in order,

- ``{"attempt": n, "iter": k, "at": s, "host", "iterations", "git", ...}`` whenever the training
  (re)starts; ``iterations`` is the length of the whole training;
- ``{"iter": i, "at": s, "lr", "time", "memory", "loss", ...}``, ascending in ``iter``: means over
  the iterations since the line before; ``at`` is s since 1970, ``time`` s an iteration, ``memory``
  the peak in MB (of the GPU; without one, of the process);
- ``{"evaluation": id, "iter": i, "AP", "AP_r", ...}``: each evaluation of the finished model.

It grows in the work directory and is copied beside the finished model. Standard library only.
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
    """A run log's content."""

    header: dict
    attempts: list[dict]
    steps: list[dict]
    evaluations: list[dict]  # the last one of each id


def read(path: Path) -> RunLog:
    """A run log; lines that are not whole are left out, and of a missing file all are empty."""
    lines = _lines(path)
    header: dict = next((line["run"] for line in lines if "run" in line), {})
    evaluations = {line["evaluation"]: line for line in lines if "evaluation" in line}
    return RunLog(
        header,
        [line for line in lines if "attempt" in line],
        [line for line in lines if is_step(line)],
        list(evaluations.values()),
    )


def is_step(line: dict) -> bool:
    """Whether a line is of an iteration."""
    return "iter" in line and "attempt" not in line and "evaluation" not in line


def begin(path: Path, header: dict, iteration: int, **facts: Any) -> None:
    """Start a log, or go on with one: what came after ``iteration`` is dropped.

    The header of the first attempt stays.

    Args:
        path: the log.
        header: what the training is.
        iteration: iterations done already.
        facts: more about this attempt.
    """
    old = read(path)
    kept = [line for line in old.steps if line["iter"] <= iteration]
    attempt: dict[str, Any] = {"attempt": len(old.attempts) + 1, "iter": iteration, "at": _now()}
    attempt |= {"host": platform.node(), **facts}
    lines = [{"run": old.header or header}, *old.attempts, *kept, attempt]
    write_atomic(path, "".join(map(dumped, lines)))


def step(iteration: int, values: dict[str, float]) -> dict:
    """The line of an iteration; a value that is not finite becomes null."""
    plain = {k: float(f"{v:.6g}") if math.isfinite(v) else None for k, v in values.items()}
    return {"iter": iteration, "at": _now(), **plain}


def append_evaluation(path: Path, evaluation: str, metrics: dict[str, float | None]) -> bool:
    """Add the result of an evaluation; False where there is no log (the model came without)."""
    if not path.is_file():
        return False
    done = max((line["iter"] for line in read(path).steps), default=0)
    text = dumped({"evaluation": evaluation, "iter": done, "at": _now(), **metrics})
    with path.open("a", encoding="utf-8") as file:
        with suppress(OSError):  # a file system without locks; two evaluations at once are rare
            fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text)
    return True


def copy(source: Path, target: Path) -> None:
    """Copy a log; the target is the old one or the new one, never a part."""
    write_atomic(target, source.read_text(encoding="utf-8"))


def dumped(line: dict) -> str:
    """A line of the log, without secrets."""
    return json.dumps(masked(line), ensure_ascii=False) + "\n"


def _lines(path: Path) -> list[dict]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return list(parsed(text.splitlines()))


def parsed(lines: Iterable[str]) -> Iterable[dict]:
    """The JSON objects among lines: a killed training leaves a torn last one."""
    for line in lines:
        with suppress(ValueError):
            if isinstance(content := json.loads(line), dict):
                yield content


def _now() -> float:
    return round(time.time(), 3)
