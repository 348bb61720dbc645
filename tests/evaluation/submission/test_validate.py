"""Fault injection into results files of any tool: each fault is found, with its image."""

import json
import math
import zipfile

import pytest
from facts import lacks
from small_set import Small

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
    """Validate a list, or raw text, and give fault lines without their prefix."""

    def run(content, name="results.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        report = validate(path, small.images)
        assert bool(report.faults) == (len(report.lines()) > 1 + bool(report.boxes))
        return [str(fault) for fault in report.faults.values()], report

    return run


def test_one_line_many_lines_and_strange_layouts_are_the_same_list(entries, check):
    layouts = [json.dumps(entries), json.dumps(entries, indent=3), f"\n {json.dumps(entries)}\n\n"]
    layouts.append(json.dumps([e | {"note": 'a "]}, {[" \\'} for e in entries], sort_keys=True))
    for text in layouts:
        faults, report = check(text)
        assert faults == []
        assert report.detections == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_id": 2}, "image_id is not in {path}: first images 2 (unknown)"),
        ({"category_id": 0}, "category_id is not one of 1 to 9: first images {id} (0)"),
        ({"category_id": 1204}, "category_id is not one of 1 to 9: first images {id} (1204)"),
        ({"category_id": 1.0}, "category_id is no whole number: first images {id} ({{'image_id'"),
        ({"category_id": "1"}, "category_id is no whole number: first images {id}"),
        ({"image_id": None}, "image_id is no whole number: first images None"),
        ({"image_id": True}, "image_id is no whole number: first images True"),
        ({"image_id": 1 << 70}, "image_id is no whole number: first images 1.18"),
        ({"score": math.nan}, "score is not finite: first images {id} (nan)"),
        ({"score": -math.inf}, "score is not finite: first images {id} (-inf)"),
        ({"score": "0.5"}, "score is no number: first images {id}"),
        ({"score": None}, "score is no number: first images {id}"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6]]}, "segmentation is not {{size, counts}}: first im"),
        ({"bbox": [1, 2, 3]}, "bbox is not [x, y, w, h]: first images {id}"),
        ({"bbox": [1, 2, -3, 4]}, "bbox is not [x, y, w, h]: first images {id}"),
        ({"bbox": [1, 2, math.nan, 4]}, "bbox is not [x, y, w, h]: first images {id}"),
    ],
)
def test_a_fault_is_named_with_its_image(small, entries, check, tmp_path, change, said):
    entries[7] |= change
    (fault,), report = check(entries)
    said = said.format(id=entries[7]["image_id"], path=small.annotations)
    assert fault.startswith(said)
    assert report.detections == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counts": "!"}, "RLE does not decode to its size: first images {id} ('!')"),
        ({"counts": ""}, "RLE does not decode to its size: first images {id} ('')"),
        ({"counts": "é"}, "counts is no compressed RLE in ASCII: first images {id}"),
        ({"counts": [3, 4]}, "counts is no compressed RLE in ASCII: first images {id}"),
        ({"size": [10]}, "size is not [height, width]: first images {id}"),
        ({"size": [10, 10.5]}, "size is not [height, width]: first images {id}"),
        ({"size": [-1, 5]}, "size is not [height, width]: first images {id}"),
    ],
)
def test_a_fault_of_the_mask_is_named_with_its_image(entries, check, change, said):
    entries[7]["segmentation"] |= change
    (fault,), _ = check(entries)
    assert fault.startswith(said.format(id=entries[7]["image_id"]))


def test_rle_of_another_size(small, entries, check):
    segmentation, image = entries[7]["segmentation"], entries[7]["image_id"]
    height, width = segmentation["size"]
    segmentation["size"] = [width, height]  # decodes: as many pixels
    (fault,), _ = check(entries)
    found, right = [width, height], [height, width]
    assert not lacks(fault, "segmentation size", f"{image} ({found}, not {right})")
    segmentation["size"] = [height, width + 1]
    size, rle = check(entries)[0]
    assert size.startswith("segmentation size is not") and rle.startswith("RLE does not decode")


@pytest.mark.parametrize("key", ["image_id", "category_id", "score", "segmentation"])
def test_a_missing_key(entries, check, key):
    del entries[7][key]
    (fault,), report = check(entries)
    assert fault.startswith(f"an entry lacks '{key}': first images ")
    assert report.detections == 400


def test_entries_that_are_no_objects(entries, check):
    (fault,), report = check([*entries[:3], 7, [], *entries[3:]])
    assert fault.startswith("an entry is no object (2 times): first images no object (7)")
    assert report.detections == 402


def test_more_than_300_of_an_image(entries, check):
    image = entries[0]["image_id"]
    own = [entry for entry in entries if entry["image_id"] == image]
    assert len(own) == 300
    (fault,), _ = check([own[0], *entries])
    assert fault == f"more than 300 entries for an image: first images {image} (301 entries)"


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
    assert category == "category_id is not one of 1 to 9 (360 times): first images " + ", ".join(
        f"{image} (0)" for image in ids[:10]
    )
    assert mask.startswith("RLE does not decode to its size (360 times)")
    assert mask.count("('!')") == 10


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda t: t[:-50], "the file ends inside the list, at byte {cut}: it is cut off"),
        (lambda t: t[:-1], "the file ends inside the list, at byte {last}: it is cut off"),
        (lambda t: t[:-1] + ",]", "the file is not JSON near byte"),
        (lambda t: "[," + t[1:], "the file is not JSON near byte"),
        (lambda t: t.replace("}, {", "},, {", 1), "the file is not JSON near byte"),
        (lambda t: t.replace("}, {", "} {", 1), "the file is not JSON near byte"),
        (lambda t: t[:-1] + "}", "the file is not JSON near byte"),
        (lambda t: t + "[]", "the file goes on after the list's end at byte {size}"),
        (lambda t: '{"annotations": ' + t + "}", "the file is not a JSON list of detections"),
        (lambda t: "", "the file is not a JSON list of detections"),
        (lambda t: "[]", "the list is empty, which crashes lvis-api"),
        (lambda t: "[ ]", "the list is empty, which crashes lvis-api"),
    ],
)
def test_damaged_json(entries, check, damage, said):
    text = json.dumps(entries)
    (fault,), _ = check(damage(text))
    assert fault.startswith(said.format(size=len(text), cut=len(text) - 50, last=len(text) - 1))


def test_what_comes_before_the_damage_is_checked(entries, check, monkeypatch):
    monkeypatch.setattr(results, "BLOCK", 61)
    entries[7]["category_id"] = 0
    first, second = check(json.dumps(entries)[:-50])[0]
    assert first.startswith("the file ends inside the list") or second.startswith("the file ends")
    assert any("category_id is not one of 1 to 9" in fault for fault in (first, second))


def test_an_entry_without_end_does_not_fill_the_memory(entries, check, monkeypatch):
    monkeypatch.setattr(results, "BLOCK", 61)
    monkeypatch.setattr(results, "LONGEST", 5000)
    (fault,), _ = check('[{"image_id": "' + "0" * 20_000)
    assert not lacks(fault, "5000 bytes from byte 1")


def test_a_bbox_is_noted_and_no_fault(entries, check):
    _, report = check([entry | {"bbox": [0, 0, 1.5, 2]} for entry in entries])
    assert report.boxes == 400 and report.faults == {}
    assert report.lines()[1].startswith("note: with bbox, lvis-api takes box areas")


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_zips(small, entries, tmp_path):
    text = json.dumps(entries)
    good = zipped(tmp_path / "good.zip", {"any/name.json": text})
    assert validate(good, small.images).detections == 400
    for members, held in [
        ({"results.json": text, "__MACOSX/._r": ""}, "holds results.json, __MACOSX/._r: zip one"),
        ({"results.jsonl": text}, "holds results.jsonl: zip one .json file and nothing else"),
        ({}, "holds nothing: zip one .json file"),
    ]:
        with pytest.raises(UserError, match=held):
            validate(zipped(tmp_path / "bad.zip", members), small.images)
    content = bytearray(good.read_bytes())
    for damaged in (content[:-40], content[:200] + b"\0" * 40 + content[240:]):
        (tmp_path / "bad.zip").write_bytes(damaged)
        with pytest.raises(UserError, match=r"bad.zip is a damaged zip \(.*\): zip it again"):
            validate(tmp_path / "bad.zip", small.images)
    with pytest.raises(UserError, match=r"none.zip is missing: name a results file"):
        validate(tmp_path / "none.zip", small.images)
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        validate(tmp_path, small.images)
