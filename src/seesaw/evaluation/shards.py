"""Write detections to one shard per process, resume by image, and merge the shards in order.

Shards are stored beside the detections file as ``.<name>.<key>.<rank>.part``. A detect job that is
killed and restarted skips the images that are complete in any shard of the same key, even with
another number of processes.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson
from mmengine.dist import barrier, get_rank, get_world_size

from seesaw.errors import UserError
from seesaw.evaluation.detections import DetectionWriter


class Line(NamedTuple):
    """The position of an image's line in a shard."""

    image_id: int
    shard: Path
    offset: int  # bytes
    length: int  # bytes, with the line's end
    detections: int


class ShardWriter(DetectionWriter):
    """Write the images of this process; on exit, merge the shards of all processes into the file.

    Use it as a context manager in every process, and call `todo` once before writing. Afterwards
    ``images`` and ``detections`` count the whole file. After an exception the shards are kept.

    Args:
        path: The detections file.
        key: Hash of everything that affects the detections; shards of another key are deleted.

    Raises:
        UserError: another process writes detections to the same file.
    """

    def __init__(self, path: Path | str, key: str):
        super().__init__(path)
        self._key = key
        self._own = self._shard(get_rank())

    def __enter__(self) -> ShardWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if get_rank() == 0:
            for shard in self.path.parent.glob(f".{self.path.name}.*.part"):
                with shard.open("r+b") as file:
                    self._lock(file)
                    if shard in self._shards():
                        file.truncate(sum(line.length for line in read_shard(shard)))
                    else:
                        shard.unlink()
        barrier()
        self._file = self._own.open("ab")
        self._lock(self._file)
        return self

    def todo(self, image_ids: list[int]) -> list[int]:
        """Return those of all image ids of the split (ascending) that this process must detect."""
        self._expected = list(image_ids)
        done = {line.image_id for line in self._lines()}
        barrier()  # no process writes before all have read
        missing = [image_id for image_id in image_ids if image_id not in done]
        return missing[get_rank() :: get_world_size()]

    def write(self, *args, **kwargs) -> None:
        """Write as `DetectionWriter.write`; the line survives if this process is killed."""
        super().write(*args, **kwargs)
        self._file.flush()

    def __exit__(self, kind, value, traceback) -> None:
        with self._file:  # closed, and thereby unlocked, at the end
            self._file.flush()
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        barrier()
        lines = sorted(self._lines())
        self.images, self.detections = len(lines), sum(line.detections for line in lines)
        if [line.image_id for line in lines] != self._expected:
            raise UserError(
                f"{self._own} and its like hold {len(lines)} images, not the "
                f"{len(self._expected)} of the split; delete them and detect again."
            )
        barrier()  # shards are deleted only after all processes have read them
        if get_rank() == 0:
            self._merge(lines)
        barrier()

    def _merge(self, lines: list[Line]) -> None:
        shards = {shard: shard.open("rb") for shard in self._shards()}
        with self._partial.open("wb") as merged:
            for line in lines:
                shards[line.shard].seek(line.offset)
                merged.write(shards[line.shard].read(line.length))
            merged.flush()
            os.fsync(merged.fileno())
        os.replace(self._partial, self.path)
        for shard, file in shards.items():
            file.close()
            shard.unlink()

    def _shard(self, rank: int | str) -> Path:
        return self.path.with_name(f".{self.path.name}.{self._key}.{rank}.part")

    def _shards(self) -> list[Path]:
        return sorted(self.path.parent.glob(self._shard("*").name))

    def _lines(self) -> list[Line]:
        return [line for shard in self._shards() for line in read_shard(shard)]

    def _lock(self, file: BinaryIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{self.path} is being made by another process; wait for it or end it."
            ) from None
        except OSError:  # the file system may not support locks
            pass


def read_shard(path: Path) -> list[Line]:
    """Return the lines of a shard up to the first incomplete one."""
    lines, offset = [], 0
    with path.open("rb", buffering=1 << 20) as file:
        for text in file:
            try:
                content = orjson.loads(text)
                found = (content["image_id"], path, offset, len(text), len(content["scores"]))
            except (ValueError, TypeError, KeyError):
                break
            if not text.endswith(b"\n"):
                break
            lines.append(Line(*found))
            offset += len(text)
    return lines
