"""Stop a training before its deadline, with its state saved and an exit code for 'run again'."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from seesaw.core import stopping
from seesaw.errors import Interrupted
from seesaw.training.checkpoint import DurableCheckpointHook


@HOOKS.register_module()
class DeadlineHook(Hook):
    """Save and end the training on SIGTERM or SIGUSR1, or shortly before the deadline.

    Each attempt does at least one iteration, so that even a sequence of short attempts completes
    the training. All ranks end after the same iteration, whichever of them received the signal.
    ``deadline`` is in s since 1970; None is none.

    Raises:
        Interrupted: the training was stopped before its last iteration.
    """

    priority = "LOWEST"  # after the checkpoints

    def __init__(self, deadline: float | None = None):
        self._watch = stopping.Watch(deadline)

    def before_train(self, runner) -> None:
        """Install the signal handlers; a signal before this call ends the process at once."""
        hooks = (hook for hook in runner.hooks if isinstance(hook, DurableCheckpointHook))
        self._checkpoints = next(hooks)
        if is_main_process():
            Path(runner.work_dir, Interrupted.RECORD).unlink(missing_ok=True)
        self._watch.__enter__()

    def after_train(self, runner) -> None:
        """Restore the previous signal handlers."""
        self._watch.__exit__()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """End the training if any rank received a signal or is close to the deadline."""
        done, total = runner.iter + 1, runner.max_iters
        if done == total:
            return
        # One process has the number on the host alone; several agree through the GPU.
        code = torch.tensor(self._watch.code(self._checkpoints.seconds))
        all_reduce(code, "max")
        if not code:
            return
        path = self._checkpoints.save(runner)
        reason = stopping.reason(int(code))
        if is_main_process():
            stopping.note(Path(runner.work_dir), done, total, reason)
        barrier()  # torchrun kills the other ranks as soon as one has ended
        raise Interrupted(
            f"stopped by {reason} after iteration {done} of {total}, saved in {path}; "
            f"run the same command again and it goes on from there."
        )
