"""Fault injection into results files of any tool: each fault is found, with its image."""

import errno
import json
import math
import os
import threading
import zipfile

import pytest
from facts import lacks
from small_set import Small
from zips import zipped

from seesaw.errors import UserError
from seesaw.evaluation.submission import results
from seesaw.evaluation.submission.validate import validate


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Small(tmp_path_factory.mktemp("small"), 5, apart=False)


@pytest.fixture(params=[None, 61], ids=["whole", "in pieces"])
def entries(small, request, monkeypatch):
    """The package's entries, and blocks that end in the middle of everything."""
    if request.param:
        monkeypatch.setattr(results, "BLOCK", request.param)
    with zipfile.ZipFile(small.zip) as archive:
        return json.loads(archive.read("results.json"))[:400]


@pytest.fixture
def check(small, tmp_path):
    """Validate a list, or raw text, and give the faults and the report."""

    def run(content, name="results.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        report = validate(path, small.images)
        assert bool(report.faults) == (len(report.lines()) > 1 + bool(report.boxes))
        return [*report.faults.values()], report

    return run


def test_one_line_many_lines_and_strange_layouts_are_the_same_list(entries, check):
    layouts = [json.dumps(entries), json.dumps(entries, indent=3), f"\n {json.dumps(entries)}\n\n"]
    layouts.append(json.dumps([e | {"note": 'a "]}, {[" \\'} for e in entries], sort_keys=True))
    for text in layouts:
        faults, report = check(text)
        assert faults == []
        assert report.detections == 400


@pytest.mark.parametrize(
    ("change", "image"),
    [
        *(({"category_id": value}, "1") for value in (0, 1204, 1.0, "1")),
        *(({"score": value}, "1") for value in (math.nan, -math.inf, "0.5", None)),
        *(({"bbox": value}, "1") for value in ([1, 2, 3], [1, 2, -3, 4], [1, 2, math.nan, 4])),
        ({"segmentation": [[1, 2, 3, 4, 5, 6]]}, "1"),
        *(({"image_id": value}, str(value)) for value in (2, None, True)),
        ({"image_id": 1 << 70}, str(float(1 << 70))),
    ],
)
def test_a_fault_is_named_with_its_image(entries, check, change, image):
    entries[7] |= change
    (fault,), report = check(entries)
    assert fault.kind.split()[0] == next(iter(change)) and fault.count == 1
    assert [str(shown) for shown in fault.images] == [image]
    assert report.detections == 400


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"counts": "!"}, "RLE"),
        ({"counts": ""}, "RLE"),
        ({"counts": "é"}, "counts"),
        ({"counts": [3, 4]}, "counts"),
        ({"size": [10]}, "size"),
        ({"size": [10, 10.5]}, "size"),
        ({"size": [-1, 5]}, "size"),
    ],
)
def test_a_fault_of_the_mask_is_named_with_its_image(entries, check, change, what):
    entries[7]["segmentation"] |= change
    (fault,), _ = check(entries)
    assert fault.kind.split()[0] == what and [str(shown) for shown in fault.images] == ["1"]


def test_rle_of_another_size(entries, check):
    segmentation, image = entries[7]["segmentation"], entries[7]["image_id"]
    height, width = segmentation["size"]
    segmentation["size"] = [width, height]  # decodes: as many pixels
    (fault,), _ = check(entries)
    assert fault.kind.startswith("segmentation size")
    assert fault.images == {image: f"{[width, height]}, not {[height, width]}"}
    segmentation["size"] = [height, width + 1]
    size, rle = check(entries)[0]
    assert size.kind == fault.kind and rle.kind.startswith("RLE")


@pytest.mark.parametrize("key", ["image_id", "category_id", "score", "segmentation"])
def test_a_missing_key(entries, check, key):
    del entries[7][key]
    (fault,), report = check(entries)
    assert repr(key) in fault.kind and fault.count == 1
    assert report.detections == 400


def test_entries_that_are_no_objects(entries, check):
    (fault,), report = check([*entries[:3], 7, [], *entries[3:]])
    assert fault.count == 2 and "(7)" in str(fault)
    assert report.detections == 402


def test_more_than_300_of_an_image(entries, check):
    image = entries[0]["image_id"]
    own = [entry for entry in entries if entry["image_id"] == image]
    assert len(own) == 300
    (fault,), _ = check([own[0], *entries])
    assert "300" in fault.kind and fault.images == {image: "301 entries"}


def test_many_faults_are_counted_and_ten_images_shown(small, check):
    ids = sorted(small.images.images)
    size = {image: list(small.images.images[image]) for image in ids}
    entries = [
        {
            "image_id": image,
            "category_id": 0,
            "score": 0.5,
            "segmentation": {"size": size[image], "counts": "!"},
        }
        for image in ids
        for _ in range(30)
    ]
    category, mask = check(entries)[0]
    assert category.count == mask.count == 360
    assert category.images == dict.fromkeys(ids[:10], 0)
    assert mask.images == dict.fromkeys(ids[:10], "'!'")


@pytest.mark.parametrize(
    ("damage", "facts"),
    [
        (lambda t: t[:-50], ["byte {cut}"]),
        (lambda t: t[:-1] + ",]", ["JSON"]),
        (lambda t: "[," + t[1:], ["JSON"]),
        (lambda t: t.replace("}, {", "},, {", 1), ["JSON"]),
        (lambda t: t[:-1] + "}", ["JSON"]),
        (lambda t: t + "[]", ["byte {size}"]),
        (lambda t: '{"annotations": ' + t + "}", ["JSON list"]),
        (lambda t: "[]", ["empty"]),
    ],
)
def test_damaged_json(entries, check, damage, facts):
    text = json.dumps(entries)
    (fault,), _ = check(damage(text))
    at = dict(size=len(text), cut=len(text) - 50)
    assert not lacks(str(fault), *(fact.format(**at) for fact in facts))


def test_what_comes_before_the_damage_is_checked(entries, check):
    entries[7]["category_id"] = 0
    faults, _ = check(json.dumps(entries)[:-50])
    assert len(faults) == 2
    assert any(fault.kind.startswith("category_id") for fault in faults)
    assert any("byte" in fault.kind for fault in faults)


def test_an_entry_without_end_does_not_fill_the_memory(check, monkeypatch):
    monkeypatch.setattr(results, "BLOCK", 61)
    monkeypatch.setattr(results, "LONGEST", 5000)
    (fault,), _ = check('[{"image_id": "' + "0" * 20_000)
    assert not lacks(str(fault), "5000 bytes", "byte 1")


def test_a_bbox_is_noted_and_no_fault(entries, check):
    _, report = check([entry | {"bbox": [0, 0, 1.5, 2]} for entry in entries])
    assert report.boxes == 400 and report.faults == {}
    assert "bbox" in report.lines()[1]


def test_a_list_from_a_pipe(small, entries, tmp_path):
    pipe, text = tmp_path / "pipe", json.dumps(entries).encode()
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(text,), daemon=True).start()
    report = validate(pipe, small.images)
    assert report.faults == {} and report.detections == 400


def test_zips(small, entries, tmp_path):
    text, path = json.dumps(entries), tmp_path / "some.zip"
    content = zipped({"any/name.json": text})
    path.write_bytes(content)
    assert validate(path, small.images).detections == 400
    for members, held in [
        ({"results.json": text, "__MACOSX/._r": ""}, r"results\.json, __MACOSX/\._r"),
        ({"results.jsonl": text}, r"results\.jsonl"),
        ({}, "nothing"),
    ]:
        path.write_bytes(zipped(members))
        with pytest.raises(UserError, match=held):
            validate(path, small.images)
    for damaged in (content[:-40], content[:200] + b"\0" * 40 + content[240:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"some\.zip .*damaged"):
            validate(path, small.images)
    with pytest.raises(UserError, match=r"none\.zip"):
        validate(tmp_path / "none.zip", small.images)
    with pytest.raises(UserError, match=f"{tmp_path} .*{os.strerror(errno.EISDIR)}"):
        validate(tmp_path, small.images)
