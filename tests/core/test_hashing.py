"""Hashes of plain data, and a cache whose key is the content of files."""

from __future__ import annotations

import json
from multiprocessing import get_context
from pathlib import Path

import pytest

from seesaw.core import hashing


def test_fingerprint_is_canonical():
    assert hashing.fingerprint(a=1, b={"y": (1, 2), "x": None}) == hashing.fingerprint(
        b={"x": None, "y": [1, 2]}, a=1
    )
    # sha256 of '{"a":1}'
    assert hashing.fingerprint(a=1) == "015abd7f5cc57a2d"


class TestCachedJson:
    @pytest.fixture
    def key(self, tmp_path):
        (tmp_path / "key.py").write_text("1")
        return tmp_path / "key.py"

    @pytest.fixture
    def call(self, tmp_path, key):
        def call(*more: Path) -> tuple[dict, bool]:
            computed = []

            def compute():
                computed.append(key.read_text())
                return {"value": (key.read_text(), None), 3: 0.1}

            result = hashing.cached_json([key, *more], tmp_path / "deep" / "c.json", compute)
            return result, bool(computed)

        return call

    def test_hit_equals_miss(self, call):
        expected = {"value": ["1", None], "3": 0.1}
        assert call() == (expected, True)
        assert call() == (expected, False)

    def test_content_not_time_is_the_key(self, call, key, tmp_path):
        call()
        key.write_text("1")
        assert call()[1] is False
        key.write_text("2")
        assert call() == ({"value": ["2", None], "3": 0.1}, True)
        extra = tmp_path / "absent"
        assert call(extra)[1] is True
        assert call(extra)[1] is False
        extra.write_text("now here")
        assert call(extra)[1] is True

    @pytest.mark.parametrize(
        "damage",
        [
            lambda b: b[: len(b) // 2],
            lambda b: b.replace(b"0.1", b"0.2"),
            lambda b: b"\xff" + b,
            lambda b: b"[]",
            lambda b: b"{}",
            lambda b: b"",
        ],
    )
    def test_corruption_is_recomputed(self, call, tmp_path, damage):
        good, _ = call()
        cache = tmp_path / "deep" / "c.json"
        content = cache.read_bytes()
        cache.write_bytes(damage(content))
        assert cache.read_bytes() != content
        assert call() == (good, True)
        assert cache.read_bytes() == content

    def test_edit_while_computing_is_not_cached(self, tmp_path, key):
        cache = tmp_path / "c.json"

        def compute():
            key.write_text("2")
            return {}

        assert hashing.cached_json([key], cache, compute) == {}
        assert not cache.exists()

    def test_failed_compute_leaves_nothing(self, tmp_path, key):
        with pytest.raises(ZeroDivisionError):
            hashing.cached_json([key], tmp_path / "c.json", lambda: {"x": 1 / 0})
        assert sorted(tmp_path.iterdir()) == [key]

    def test_unwritable_cache_still_answers(self, tmp_path, key):
        (tmp_path / "file").write_text("")
        assert hashing.cached_json([key], tmp_path / "file" / "c.json", lambda: {"x": 1}) == {
            "x": 1
        }

    def test_no_torn_reads_between_processes(self, tmp_path, key):
        cache = tmp_path / "c.json"
        context = get_context("spawn")
        writers = [context.Process(target=_write, args=(key, cache, n)) for n in (1, 2)]
        for writer in writers:
            writer.start()
        seen = set()
        while any(w.is_alive() for w in writers) or not seen:
            if cache.exists():
                seen.add(json.loads(cache.read_bytes())["value"]["text"])
        for writer in writers:
            writer.join()
            assert writer.exitcode == 0
        assert seen and {len(set(text)) for text in seen} == {1}
        assert sorted(p.name for p in tmp_path.iterdir()) == ["c.json", "key.py"]


def _write(key: Path, cache: Path, n: int) -> None:
    text = str(n) * 50_000 * n
    for i in range(15):  # another key file each time: never a hit
        result = hashing.cached_json(
            [key, key.with_name(f"{n}-{i}")], cache, lambda: {"text": text}
        )
        assert result == {"text": text}
