"""Results files and zips made to do harm: each is accepted or refused, and costs little.

The mutations are hypothesis', the same in each run.
"""

import json
import struct
import zipfile

import pytest
from bounds import given_often, in_bounds, timed
from hypothesis import given
from hypothesis import strategies as st
from mutations import bent, changed
from small_set import Small
from zips import zipped

from seesaw.errors import UserError
from seesaw.evaluation.submission import results
from seesaw.evaluation.submission.grade import grade
from seesaw.evaluation.submission.validate import validate


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    small = Small(tmp_path_factory.mktemp("small"), 5, apart=False)
    validate(small.zip, small.images)  # compiled before the clock runs
    return small


def examined(small, path):
    """What `seesaw submit --check` prints of a file."""
    try:
        report = validate(path, small.images)
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return str(error)
    said = "\n".join(report.lines())
    said.encode()  # an output that takes UTF-8 takes it
    assert len(said) < 20_000
    return said


def all_examined(small, path, strategy, cases):
    """Examine contents of a strategy in bounds of time and memory."""

    @given_often(cases)
    @given(strategy)
    @timed
    def written(content):
        path.write_bytes(content)
        examined(small, path)

    in_bounds(written)


def entries(small, number=12):
    with zipfile.ZipFile(small.zip) as archive:
        return json.loads(archive.read("results.json"))[:number]


VALUES = [None, True, -1, 0, 1.5, 1 << 62, 1 << 70, 10**400, -(10**400), 1e308, float("nan")]
VALUES += [float("-inf"), "", "1", "\ud800", "\x1b[31m", "é" * 300, [], {}, [[]], [1, 2], [1, "a"]]
VALUES += [[1 << 40, 1 << 40], [-1, 5], [1.0, 2.0], {"size": [1, 1], "counts": "1"}, "0" * 5000]
VALUES += [
    json.loads("[" * 900 + "]" * 900),
    [None, 2],
    [[1, 2], 3],
    {"size": [0, 0], "counts": ""},
]


@st.composite
def relabelled(draw, content):
    """A zip with other numbers in its headers; its first member is at 0, its directory later."""
    content = bytearray(content)
    starts = [0, content.rindex(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")]
    odd = st.sampled_from([0, 1, 8, 9, 12, 14, 99, 0x41, 0x800, 0x7FFF, 0xFFFF])
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.sampled_from(starts))
        at = start + 4 + 2 * draw(st.integers(0, 20 if start else 12))
        value = draw(odd | st.integers(0, 0xFFFF))
        struct.pack_into("<H", content, min(at, len(content) - 2), value)
    return bytes(content)


def test_mutated_lists(small, tmp_path):
    base = entries(small)
    lists = changed(base, VALUES).map(lambda content: json.dumps(content).encode())
    all_examined(small, tmp_path / "results.json", lists | bent(json.dumps(base).encode()), 500)


def test_mutated_zips(small, tmp_path):
    whole = zipped({"results.json": json.dumps(entries(small))})
    all_examined(small, tmp_path / "results.zip", bent(whole) | relabelled(whole), 600)


M = 1 << 20
BOMBS = {
    "spaces": (b"[", b" " * M),
    "a quote that is not closed": (b'["', b"a" * M),
    "nests": (b"", b"[" * M),
    "empty entries": (b"[", b"{}," * (M // 3)),
    "numbers": (b"[", b"1," * (M // 2)),
    "lists in an entry": (b"[", b"[" + b"[]," * (M // 3) + b"1],"),
    "zeros": (b"", bytes(M)),
}


@pytest.mark.slow
def test_files_that_grow_are_refused_or_read_to_a_limit(small, tmp_path):
    path, cases = tmp_path / "results", []
    for head, rest in BOMBS.values():
        plain = head + 48 * rest
        bomb = zipped({"results.json": plain})
        lying = bytearray(bomb)  # the directory says that it does not grow
        struct.pack_into("<L", lying, lying.rindex(b"PK\x01\x02") + 24, 10 * M)
        cases += [plain, bytes(lying)]
        path.write_bytes(bomb)
        assert f" {len(plain):,} bytes" in examined(small, path)
    in_bounds(lambda: [path.write_bytes(case) and timed(examined)(small, path) for case in cases])


def test_more_entries_than_any_server_takes_are_not_read_to_the_end(small, tmp_path, monkeypatch):
    monkeypatch.setattr("seesaw.evaluation.submission.validate.MOST", 5000)
    path = tmp_path / "results.json"
    for change in ({}, {"category_id": 0}, {"category_id": "x"}):
        one = json.dumps(entries(small, 1)[0] | change)
        path.write_text("[" + ",".join([one] * 60_000) + "]")
        report = validate(path, small.images)
        assert report.hopeless and any("rest" in kind for kind in report.faults)
        assert 5000 < report.detections < 40_000


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_methods_are_refused(small, tmp_path, method):
    """Their decompressors take no limit: 45 bytes of bzip2 may be 45 MB."""
    path = tmp_path / "results.zip"
    path.write_bytes(zipped({"results.json": json.dumps(entries(small))}, method))
    assert "deflate" in examined(small, path)


def test_an_encrypted_zip_is_reported(small, tmp_path):
    path = tmp_path / "results.zip"
    content = bytearray(zipped({"results.json": json.dumps(entries(small))}))
    for start, at in ((0, 6), (content.rindex(b"PK\x01\x02"), 8)):
        content[start + at] |= 1
    path.write_bytes(content)
    assert "encrypted" in examined(small, path)
    with pytest.raises(UserError, match=r"results\.zip .*encrypted"):
        grade(path, small.annotations)


@pytest.mark.parametrize("change", [{"counts": "0"}, {"counts": "\ud800"}, {"counts": 1 << 70}])
def test_a_malformed_mask_is_one_of_the_package_that_is_graded(small, tmp_path, change):
    path, one = tmp_path / "results.json", entries(small, 1)[0]
    path.write_text(json.dumps([one | {"segmentation": one["segmentation"] | change}]))
    with pytest.raises(UserError, match=rf"^{path}: .*RLE"):
        grade(path, small.annotations)


def test_a_zip_of_many_files_is_refused_before_they_are_listed(small, tmp_path):
    path = tmp_path / "results.zip"
    path.write_bytes(zipped({f"{number}.json": "" for number in range(30_000)}))
    (size,) = struct.unpack_from("<L", path.read_bytes(), -10)  # of the directory
    assert size > results.DIRECTORY and f"{size:,} bytes" in examined(small, path)


def test_names_of_members_are_shown_as_text(small, tmp_path):
    path = tmp_path / "results.zip"
    for name in ("\x1b[31m\n.json.exe", "x" * 30_000, "../../results.txt"):
        path.write_bytes(zipped({name: "[]"}))
        said = examined(small, path)
        assert "\x1b" not in said and len(said) < 1000 and ".json file" in said


def test_a_deep_or_strange_value_is_shown_as_text(small, tmp_path):
    path = tmp_path / "results.json"
    one = entries(small, 1)[0]
    path.write_text(
        json.dumps([one | {"image_id": "\ud800"}, one | {"bbox": ["1", "2", "3", "4"]}])
    )
    said = examined(small, path)
    assert "\\ud800" in said and "[x, y, w, h]" in said
    path.write_text(json.dumps([one | {"image_id": json.loads("[" * 900 + "]" * 900)}]))
    assert f"{results.DEEPEST} lists" in examined(small, path)
