"""A training that ends in time: saved, and with an exit code that says 'run it again'."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from seesaw.core.files import write_atomic
from seesaw.errors import Interrupted, UserError
from seesaw.training.checkpoint import DurableCheckpointHook

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
LEAST_MARGIN = 60.0  # s
_DEADLINE = 1


def deadline(minutes: float | None) -> float | None:
    """When the training must have ended, in s since 1970, or None.

    Args:
        minutes: from now; ``SEESAW_DEADLINE`` (s since 1970) holds too, the earlier one counts.
    """
    given = [] if minutes is None else [time.time() + 60 * minutes]
    if text := os.environ.get("SEESAW_DEADLINE"):
        try:
            given.append(float(text))
        except ValueError:
            raise UserError(
                f"SEESAW_DEADLINE is {text!r}; give seconds since 1970 (date +%s) or unset it."
            ) from None
    return min(given, default=None)


@HOOKS.register_module()
class DeadlineHook(Hook):
    """Saves and ends the training on SIGTERM or SIGUSR1, or shortly before the deadline.

    Shortly: three times the longest checkpoint so far, at least a minute. One iteration is
    always done, so that runs which are all too short still come to an end. All ranks end after
    the same iteration, whichever of them was told.

    Args:
        deadline: s since 1970.

    Raises:
        Interrupted: in place of the training's end.
    """

    priority = "LOWEST"  # after the checkpoints

    def __init__(self, deadline: float | None = None):
        self.deadline = deadline
        self._signal = 0

    def before_train(self, runner) -> None:
        """Take over the signals; an earlier one still ends the process at once."""
        hooks = (hook for hook in runner.hooks if isinstance(hook, DurableCheckpointHook))
        self._checkpoints = next(hooks)
        if is_main_process():
            Path(runner.work_dir, Interrupted.RECORD).unlink(missing_ok=True)
        self._old = {number: signal.signal(number, self._told) for number in SIGNALS}

    def after_train(self, runner) -> None:
        """Give the signals back."""
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """End if any rank has a reason to."""
        done, total = runner.iter + 1, runner.max_iters
        if done == total:
            return
        code = torch.tensor(self._code())
        all_reduce(code, "max")
        if not code:
            return
        path = self._checkpoints.save(runner)
        reason = "the deadline" if code == _DEADLINE else signal.Signals(int(code)).name
        if is_main_process():
            record = {"iteration": done, "iterations": total, "reason": reason}
            write_atomic(Path(runner.work_dir, Interrupted.RECORD), json.dumps(record) + "\n")
        barrier()  # torchrun ends the others as soon as one has ended
        raise Interrupted(
            f"stopped by {reason} after iteration {done} of {total}, saved in {path}; "
            f"run the same command again and it goes on from there."
        )

    def _told(self, number: int, frame: object) -> None:
        self._signal = number

    def _code(self) -> int:
        if self._signal or self.deadline is None:
            return self._signal
        margin = max(LEAST_MARGIN, 3 * self._checkpoints.seconds)
        return _DEADLINE if time.time() > self.deadline - margin else 0
