"""Stop a training before its deadline, with its state saved and an exit code for 'run again'."""

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
    """Return the time by which the training must end, in s since 1970, or None.

    Args:
        minutes: time from now; if ``SEESAW_DEADLINE`` (s since 1970) is also set, the earlier of
            the two is used.
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
    """Save and end the training on SIGTERM or SIGUSR1, or shortly before the deadline.

    The margin before the deadline is three times the longest time to save a checkpoint so far, and
    at least a minute. Each attempt does at least one iteration, so that even a sequence of short
    attempts completes the training. All ranks end after the same iteration, whichever of them
    received the signal.

    Args:
        deadline: s since 1970.

    Raises:
        Interrupted: the training was stopped before its last iteration.
    """

    priority = "LOWEST"  # after the checkpoints

    def __init__(self, deadline: float | None = None):
        self.deadline = deadline
        self._signal = 0

    def before_train(self, runner) -> None:
        """Install the signal handlers; a signal before this call ends the process at once."""
        hooks = (hook for hook in runner.hooks if isinstance(hook, DurableCheckpointHook))
        self._checkpoints = next(hooks)
        if is_main_process():
            Path(runner.work_dir, Interrupted.RECORD).unlink(missing_ok=True)
        self._old = {number: signal.signal(number, self._told) for number in SIGNALS}

    def after_train(self, runner) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """End the training if any rank received a signal or is close to the deadline."""
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
        barrier()  # torchrun kills the other ranks as soon as one has ended
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
