"""The hook that writes a training's run log and starts its W&B mirror."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import IO, Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook

from seesaw.core.files import write_atomic
from seesaw.training import run_log
from seesaw.training.mirror import Mirror
from seesaw.training.train import _remarks

INTERVAL = 20
LEAST_LINES = 20
GRACE = 5.0  # s that an interrupted training waits for its mirror


class RunLogHook(Hook):
    """Log every 20th iteration and the last one; a short training logs at least 20 if it has them.

    Use it as a context manager around the training. It does not affect the training; if logging
    fails, one warning is printed. ``header`` is from `seesaw.training.runs.header`; ``mode`` is
    W&B's: off, offline or online.
    """

    # After hooks that measure (50), before mmengine's log (60), which resets the GPU's peak memory,
    # checkpoints and the deadline.
    priority = 55

    def __init__(self, path: Path, header: dict, mode: str = "off", **facts: Any):
        self.path, self._header, self._facts = path, header, facts
        self._mirror = Mirror(path, mode)
        self._file: IO[str] | None = None
        self._last = 0
        self._memory = 0.0

    def __enter__(self) -> RunLogHook:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if self._file:
            self._file.close()
        self._mirror.end(GRACE if error else None)

    def copy(self, target: Path) -> None:
        """Copy the log beside the finished model."""
        try:
            if self._file:
                write_atomic(target, self.path.read_text(encoding="utf-8"))
        except OSError as error:
            self._give_up(error)

    def before_train(self, runner) -> None:
        """Start the log, or cut it to the iteration from which the training resumes."""
        self._interval = max(1, min(INTERVAL, runner.max_iters // LEAST_LINES))
        self._last = runner.iter
        if not is_main_process():
            return
        try:
            images = runner.train_dataloader.batch_sampler.batch_size
            remarks = _remarks(runner.model, images, get_world_size(), runner.cfg.batch_size)
            facts = {"iterations": runner.max_iters, "remarks": remarks, **self._facts}
            run_log.begin(self.path, self._header, runner.iter, **facts)
            self._file = self.path.open("a", encoding="utf-8")
            self._mirror.start()
        except OSError as error:
            self._give_up(error)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Write a line if one is due."""
        done = runner.iter + 1
        if self._file is None or (done % self._interval and done != runner.max_iters):
            return
        window, self._last = max(done - self._last, 1), done
        values = {
            key.removeprefix("train/"): float(
                buffer.current() if key == "train/lr" else buffer.mean(window)
            )
            for key, buffer in runner.message_hub.log_scalars.items()
            if key.startswith("train/")
        }
        values["memory"] = self._memory = max(self._memory, _peak_memory())
        try:
            self._file.write(run_log.dumped(run_log.step(done, values)))
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        reason = f"{self.path} or its copy cannot be written ({error.strerror})"
        print(f"{reason}; the training goes on without.", file=sys.stderr, flush=True)
        self._file = None


def _peak_memory() -> float:
    """Return the peak memory in MiB of the GPU or, without a GPU, of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
