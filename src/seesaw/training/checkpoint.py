"""Crash-safe checkpoints: written to a temporary file, synced, renamed, and checked when loaded."""

from __future__ import annotations

import logging
import os
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

from seesaw.errors import PermanentError, UserError


@contextmanager
def durable(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is synced to disk and renamed to ``path`` after the block.

    A crash of the process or the machine at any moment leaves the complete old or new file.
    `seesaw.core.files.replacing` does not sync, and a killed process's part would never be deleted.

    Raises:
        UserError: the disk is full or the file cannot be written; the temporary file is deleted.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _sync(part)
        os.replace(part, path)
        _sync(path.parent)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); make room there and run the same "
            f"command again: it goes on from the last checkpoint."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def iteration(path: Path) -> int:
    """Return n, the number of finished iterations, of ``iter_<n>.pth``; -1 for any other name."""
    found = re.fullmatch(r"iter_(\d+)\.pth", path.name)
    return int(found[1]) if found else -1


def checkpoints(work: Path) -> list[Path]:
    """Return all checkpoints in a work directory, complete or not, oldest first."""
    return sorted((p for p in work.glob("iter_*.pth") if iteration(p) >= 0), key=iteration)


def newest(work: Path) -> Path | None:
    """Return the newest complete checkpoint, or None; broken ones are skipped with a warning.

    Raises:
        UserError: one cannot be read, which says nothing of what is in it.
    """
    for path in reversed(checkpoints(work)):
        if (fault := _fault(path)) is None:
            return path
        logging.getLogger(__name__).warning(
            "%s is broken (%s); going on from the checkpoint before it.", path, fault
        )
    return None


def _fault(path: Path) -> str | None:
    """Describe what is wrong with a checkpoint, a zip with a CRC of each tensor, or return None."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except Exception as error:  # torch raises many kinds on a damaged archive
        _need_readable(path)
        return str(error) or type(error).__name__
    return bad and f"wrong checksum of {bad}"


def _need_readable(path: Path) -> None:
    """Refuse a file that the disk, a file server or its permissions withhold.

    Without its checkpoints a training would begin anew, and delete them in time.
    """
    try:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except FileNotFoundError:  # a link whose file was removed
        return
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); run the same command again when it can, or "
            "remove it to go on from the checkpoint before it."
        ) from error


@HOOKS.register_module()
class DurableCheckpointHook(CheckpointHook):
    """mmengine's checkpoint hook with crash-safe files.

    Older checkpoints are deleted only when ``keep`` newer ones are on the disk; others that are
    ahead stay until they are reached. One is saved every ``interval`` iterations and after the last
    one.

    Raises:
        PermanentError: the weights are not finite. mmdet's hook sees the loss of every tenth
            iteration only, so a training could end with such weights, and its AP would be 0.
    """

    def __init__(self, interval: int, keep: int = 2):
        super().__init__(interval=interval, by_epoch=False)
        self.keep = keep
        self.seconds = 0.0  # the longest time to save a checkpoint

    def before_train(self, runner) -> None:
        """Register the checkpoint that the training resumes from; delete leftovers of a crash."""
        super().before_train(runner)
        work = Path(self.out_dir)
        # only checkpoints that are known to be complete count as kept
        self._whole = [work / self.filename_tmpl.format(runner.iter)] if runner.iter else []
        if is_main_process():
            for part in work.glob(".iter_*.pth.part"):
                part.unlink()

    def save(self, runner) -> Path:
        """Save the state after the current iteration, unless it is already saved."""
        self._save_checkpoint(runner)
        return self._whole[-1]

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        path = Path(self.out_dir) / self.filename_tmpl.format(step)
        if path in self._whole:
            return
        if not all(bool(w.isfinite().all()) for w in runner.model.parameters()):
            raise PermanentError(
                f"the weights are not finite after iteration {step}; lower "
                "optim_wrapper.optimizer.lr or clip gradients (optim_wrapper.clip_grad) in "
                f"{runner.cfg.filename or 'its config'}."
            )
        start = time.monotonic()
        if is_main_process():
            with durable(path) as part:
                runner.save_checkpoint(self.out_dir, part.name, meta=meta, by_epoch=False)
        self.seconds = max(self.seconds, time.monotonic() - start)
        self._whole = [*self._whole, path][-self.keep :]
        if is_main_process() and len(self._whole) == self.keep:
            for old in set(checkpoints(path.parent)) - set(self._whole):
                if iteration(old) < step:  # else a job that has taken this work over made it
                    old.unlink()
