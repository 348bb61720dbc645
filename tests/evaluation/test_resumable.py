"""A detections file: cut off and continued, always the same bytes in the end."""

import tracemalloc
from pathlib import Path

import generated
import numpy as np
import pytest

from seesaw.errors import UserError
from seesaw.evaluation.detections import DetectionWriter, read
from seesaw.evaluation.resumable import ResumableWriter

IDS = list(range(3, 60, 4))


def image(image_id: int) -> dict:
    return generated.image(image_id % 7, seed=image_id)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> bytes:
    """The file that one writer in one go makes."""
    path = tmp_path_factory.mktemp("whole") / "d.jsonl"
    with DetectionWriter(path) as writer:
        for image_id in IDS:
            writer.write(image_id, **image(image_id))
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def write(path: Path, key: str, most: int | None = None) -> list[int]:
    with ResumableWriter(path, key) as writer:
        todo = writer.todo(IDS)
        for image_id in todo[:most]:
            writer.write(image_id, **image(image_id))
        if most is not None:
            raise KeyboardInterrupt
    return todo


def interrupted(path: Path, key: str, most: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(path, key, most)


def test_interrupted_twice_goes_on_after_the_last_whole_image(tmp_path, expected):
    path = tmp_path / "d.jsonl"
    interrupted(path, "k", 5)
    interrupted(path, "k", 2)
    with (tmp_path / ".d.jsonl.k.part").open("ab") as torn:
        torn.write(expected.splitlines(keepends=True)[7][:-1])  # all but the line's end
    assert write(path, "k") == IDS[7:]
    assert path.read_bytes() == expected
    assert names(tmp_path) == ["d.jsonl"]


def test_all_images_there_already_are_only_renamed(tmp_path, expected):
    path = tmp_path / "d.jsonl"
    interrupted(path, "k", len(IDS))
    assert write(path, "k") == []
    assert path.read_bytes() == expected


def test_parts_of_other_weights_or_configs_are_not_used(tmp_path, expected):
    path = tmp_path / "d.jsonl"
    path.write_text("before")
    interrupted(path, "old", 5)
    (tmp_path / ".other.jsonl.old.part").write_text("of another file")
    assert path.read_text() == "before"
    assert write(path, "new") == IDS
    assert path.read_bytes() == expected
    assert names(tmp_path) == [".other.jsonl.old.part", "d.jsonl"]


def test_two_detections_of_the_same_file_are_refused(tmp_path, expected):
    path = tmp_path / "d.jsonl"
    with ResumableWriter(path, "k") as first:
        for key in ("k", "other"):
            with pytest.raises(UserError, match=f"{path} .*another process"):
                write(path, key)
        for image_id in first.todo(IDS):
            first.write(image_id, **image(image_id))
    assert path.read_bytes() == expected


def test_images_that_are_not_of_the_split_are_refused(tmp_path):
    path = tmp_path / "d.jsonl"
    interrupted(path, "k", 5)
    counts = r"\b5 images .*\b2\b"
    with pytest.raises(UserError, match=counts), ResumableWriter(path, "k") as writer:
        writer.todo(IDS[:2])
    assert not path.exists()


def test_memory_does_not_grow_with_the_images(tmp_path):
    one = image(6) | {"masks": np.ones((6, 20, 30), bool)}

    def peak(images: int) -> int:
        tracemalloc.start()
        with ResumableWriter(tmp_path / f"{images}.jsonl", "k") as writer:
            for image_id in writer.todo(list(range(images))):
                writer.write(image_id, **one)
        assert sum(1 for _ in read(tmp_path / f"{images}.jsonl")) == images
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    # What grows is the index of lines: below 400 bytes an image, 8 MB at the size of LVIS val.
    assert peak(2000) - peak(200) < 1800 * 400
