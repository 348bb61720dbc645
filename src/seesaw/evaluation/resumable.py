"""Write detections so that a detection that is cut off goes on after its last complete image.

Until all images are there, their lines are in the file ``.<name>.<key>.part`` beside the detections
file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import orjson

from seesaw.errors import UserError
from seesaw.evaluation.detections import MAX_DETECTIONS, DetectionWriter


class ResumableWriter(DetectionWriter):
    """A writer that keeps what was written when it is cut off, and continues it.

    Use it as a context manager, and call `todo` once before writing. ``images`` and ``detections``
    count what the file has, including the images of earlier attempts.

    Args:
        path: The detections file.
        key: Hash of everything that affects the detections; parts of another key are deleted.

    Raises:
        UserError: another process writes detections to the same file, its images are not the first
            of the split's, or some are missing when the block ends.
    """

    def __init__(self, path: Path | str, key: str):
        super().__init__(path)
        self._partial = self.path.with_name(f".{self.path.name}.{key}.part")

    def __enter__(self) -> ResumableWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for other in self.path.parent.glob(f".{self.path.name}.*.part"):
            if other != self._partial:
                with other.open("r+b") as file:
                    self._lock(file)
                    other.unlink()
        self._file = self._partial.open("ab")
        self._lock(self._file)
        found = list(complete_lines(self._partial))
        self._file.truncate(sum(length for _, _, length in found))
        self._done = [image_id for image_id, _, _ in found]
        self.detections = sum(detections for _, detections, _ in found)
        self._last_id = self._done[-1] if found else None
        return self

    @property
    def images(self) -> int:
        """The number of images in the file."""
        return len(self._done)

    def todo(self, image_ids: list[int]) -> list[int]:
        """Return those of all image ids of the split (ascending) that are not in the file yet."""
        self._expected = list(image_ids)
        if self._done != self._expected[: self.images]:
            raise UserError(
                f"{self._partial} has {self.images} images that are not the first of the split's "
                f"{len(image_ids)}; delete it and detect again."
            )
        return self._expected[self.images :]

    def write(self, image_id, height, width, boxes, scores, *args, **kwargs) -> None:
        """Write as `DetectionWriter.write`; the line survives if this process is killed."""
        super().write(image_id, height, width, boxes, scores, *args, **kwargs)
        self._file.flush()
        self._done.append(image_id)
        self.detections += min(len(scores), MAX_DETECTIONS)

    def __exit__(self, kind, value, traceback) -> None:
        with self._file:  # closed, and thereby unlocked, at the end
            self._file.flush()
            if kind is None:
                if missing := self._expected[self.images :]:
                    raise UserError(f"{self._partial} lacks {len(missing)} images; detect again.")
                os.fsync(self._file.fileno())
                os.replace(self._partial, self.path)

    def _lock(self, file: BinaryIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{self.path} is being made by another process; wait for it or end it."
            ) from None
        except OSError:  # the file system may not support locks
            pass


def complete_lines(path: Path) -> Iterator[tuple[int, int, int]]:
    """Yield image id, detections and bytes of a part's lines, up to the first incomplete one."""
    with path.open("rb", buffering=1 << 20) as file:
        for text in file:
            try:
                content = orjson.loads(text)
                found = content["image_id"], len(content["scores"]), len(text)
            except (ValueError, TypeError, KeyError):
                return
            if not text.endswith(b"\n"):
                return
            yield found
