"""Checkpoints that a crash cannot break: written aside, synced, renamed; checked when found."""

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

from seesaw.errors import UserError


@contextmanager
def durable(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes ``path`` when all is on the disk.

    A crash at any moment, of the machine too, leaves the old file or the new one.

    Raises:
        UserError: the disk is full or the file cannot be written; nothing is left of it.
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
    """The number of iterations done in ``iter_<n>.pth``; -1 of any other name."""
    found = re.fullmatch(r"iter_(\d+)\.pth", path.name)
    return int(found[1]) if found else -1


def checkpoints(work: Path) -> list[Path]:
    """All checkpoints in a work directory, whole or not, oldest first."""
    return sorted((p for p in work.glob("iter_*.pth") if iteration(p) >= 0), key=iteration)


def newest(work: Path) -> Path | None:
    """The newest whole checkpoint; None if there is none. A broken one is passed with a warning."""
    for path in reversed(checkpoints(work)):
        if (fault := _fault(path)) is None:
            return path
        logging.getLogger(__name__).warning(
            "%s is broken (%s); going on from the checkpoint before it.", path, fault
        )
    return None


def _fault(path: Path) -> str | None:
    """What is wrong with a checkpoint; torch's format is a zip with a CRC of each tensor."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except Exception as error:  # what a damaged archive raises is anyone's guess
        return str(error) or type(error).__name__
    return bad and f"wrong checksum of {bad}"


@HOOKS.register_module()
class DurableCheckpointHook(CheckpointHook):
    """mmengine's checkpoints, made durable; the oldest goes only when two newer are on the disk.

    Args:
        interval: iterations between checkpoints; the last iteration has one too.
        keep: checkpoints that are kept.
    """

    def __init__(self, interval: int, keep: int = 2):
        super().__init__(interval=interval, by_epoch=False)
        self.keep = keep
        self.seconds = 0.0  # the longest that a checkpoint has taken

    def before_train(self, runner) -> None:
        """Count the checkpoint that the training goes on from; clear what a crash left."""
        super().before_train(runner)
        work = Path(self.out_dir)
        # only what is known to be whole counts as kept
        self._whole = [work / self.filename_tmpl.format(runner.iter)] if runner.iter else []
        if is_main_process():
            for part in work.glob(".iter_*.pth.part"):
                part.unlink()

    def save(self, runner) -> Path:
        """Save the state after the current iteration, if that is not done yet."""
        self._save_checkpoint(runner)
        return self._whole[-1]

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        path = Path(self.out_dir) / self.filename_tmpl.format(step)
        if path in self._whole:
            return
        start = time.monotonic()
        if is_main_process():
            with durable(path) as part:
                runner.save_checkpoint(self.out_dir, part.name, meta=meta, by_epoch=False)
        self.seconds = max(self.seconds, time.monotonic() - start)
        self._whole = [*self._whole, path][-self.keep :]
        if is_main_process() and len(self._whole) == self.keep:
            for old in set(checkpoints(path.parent)) - set(self._whole):
                old.unlink()
