"""Every kind of fault is one sentence that names file and record; what is accepted is counted."""

import copy
import hashlib
import json

import orjson
import pytest
from facts import lacks, refusal
from small_folder import PREFIX

from seesaw.data.annotations import read_annotations
from seesaw.data.lvis_folder import training_counts
from seesaw.errors import UserError
from seesaw.spec.annotations import frequency_of, load_annotations, relative_path

BASE = {
    "images": [
        {"id": 7, "width": 10, "height": 8, "file_name": "COCO_val2014_000000000007.jpg",
         "coco_url": "http://images.cocodataset.org/val2017/000000000007.jpg",
         "neg_category_ids": [2], "not_exhaustive_category_ids": []},
        {"id": 9, "width": 10, "height": 8, "coco_url": "plain.png",
         "neg_category_ids": [], "not_exhaustive_category_ids": []},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 1, 3, 3], "area": 9.0,
         "segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [5, 1, 0, 0], "area": 0.0,
         "segmentation": {"size": [8, 10], "counts": [40, 2, 38]}},
        {"id": 3, "image_id": 9, "category_id": 2, "bbox": [1, 1, 3, 3], "area": 9.0,
         "segmentation": {"size": [8, 10], "counts": "935000_1"}},
    ],
    "categories": [
        {"id": 1, "name": "ant"},
        {"id": 2, "name": "bee", "frequency": "f"},
    ],
}  # fmt: skip


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(content))
    return path


def test_counts_come_from_the_annotations(tmp_path):
    path = write(tmp_path / "a.json", BASE)
    assert training_counts(path) == {
        "annotated_images": 2,
        "categories": [
            {"id": 1, "name": "ant", "image_count": 1, "instance_count": 2, "frequency": "r"},
            {"id": 2, "name": "bee", "image_count": 1, "instance_count": 1, "frequency": "f"},
        ],
    }
    assert [frequency_of(n) for n in (1, 10, 11, 100, 101)] == list("rrccf")
    paths = [relative_path(image) for image in BASE["images"]]
    assert paths == ["val2017/000000000007.jpg", "plain.png"]


def put(path, value):
    """An edit of BASE: sets, or with ``...`` deletes, what ``path`` leads to."""

    def change(content):
        *way, last = path
        for key in way:
            content = content[key]
        if value is ...:
            del content[last]
        else:
            content[last] = value

    return change


ANN, SEG, IMG = ("annotations", 0), ("annotations", 0, "segmentation"), ("images", 0)
CAT = ("categories", 0)
ZIGZAG = [v for i in range(199_999) for v in (i % 2 * 19 - 5, i % 7)]


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (put(("images",), ...), ["'images'"]),
        (put(("images",), []), ["no images"]),
        (put(("categories",), []), ["no categories"]),
        (put(("annotations",), {}), ["'annotations'"]),
        (put((*IMG, "width"), ...), ["image 7", "'width'"]),
        (put((*IMG, "height"), 0), ["image 7", "height 0"]),
        (put((*IMG, "width"), 161), ["image 7", "161x8"]),
        (put((*IMG, "width"), 32_767), ["image 7", "width 32767", "32766"]),
        (put((*IMG, "coco_url"), ...), ["image 7", "'coco_url'"]),
        (put((*IMG, "coco_url"), 5), ["image 7", "coco_url 5"]),
        (put((*IMG, "coco_url"), "../x.png"), ["image 7", "'../x.png'"]),
        (put((*IMG, "coco_url"), PREFIX + "a/../../x"), ["image 7", "'a/../../x'"]),
        (put((*IMG, "coco_url"), "/etc/x.png"), ["image 7", "'/etc/x.png'"]),
        (put((*IMG, "coco_url"), "file:///x.png"), ["image 7", "outside"]),
        (
            put((*IMG, "coco_url"), "https://images.cocodataset.org/x.jpg"),
            ["image 7", "outside", "write its path"],
        ),
        (put((*IMG, "coco_url"), "a/" * 3000 + "b"), ["image 7", "'a/a/", "..."]),
        (put((*IMG, "coco_url"), "a\0b"), ["image 7", r"'a\x00b'"]),
        (put((*IMG, "id"), 9), ["image 9", "twice"]),
        (put((*IMG, "id"), -7), ["image number 0", "id -7"]),
        (put((*IMG, "id"), 2**63), ["image number 0", "id 9223372036854775808"]),
        (put((*IMG, "id"), True), ["image number 0", "id True"]),
        (put((*IMG, "neg_category_ids"), ...), ["image 7", "'neg_category_ids'"]),
        (
            put((*IMG, "not_exhaustive_category_ids"), "1"),
            ["image 7", "not_exhaustive_category_ids '1'"],
        ),
        (put((*IMG, "neg_category_ids"), [5]), ["image 7", "category 5"]),
        (put((*IMG, "neg_category_ids"), [2.0]), ["image 7", "2.0", "neg_category_ids"]),
        (put((*CAT, "id"), 4), ["category 1", "1..2"]),
        (put((*CAT, "id"), 0), ["category 0", "id 0"]),
        (put((*CAT, "id"), 2), ["category 2", "twice"]),
        (put((*CAT, "name"), ...), ["category 1", "'name'"]),
        (put((*CAT, "name"), None), ["category 1", "name None"]),
        (put((*CAT, "frequency"), "x"), ["category 1", "frequency 'x'"]),
        (put(CAT, "bee"), ["category number 0", "no object"]),
        (lambda c: c["categories"].reverse(), ["category 2", "place 1"]),
        (put((*ANN, "image_id"), 8), ["annotation 1", "image_id 8"]),
        (put((*ANN, "image_id"), "7"), ["annotation 1", "image_id '7'"]),
        (put((*ANN, "category_id"), 3), ["annotation 1", "category_id 3"]),
        (put((*ANN, "id"), 2), ["annotation 2", "twice"]),
        (put((*ANN, "id"), ...), ["annotation number 0", "'id'"]),
        (put((*ANN, "bbox"), ...), ["annotation 1", "'bbox'"]),
        (put((*ANN, "bbox"), [1, 2, 3]), ["annotation 1", "bbox [1, 2, 3]"]),
        (put((*ANN, "bbox"), [1, 2, 3, None]), ["annotation 1", "bbox", "four numbers"]),
        (put((*ANN, "bbox"), [1, 2, 3, 1e300]), ["annotation 1", "bbox", "four numbers"]),
        (put((*ANN, "bbox"), [4, 1, -3, 3]), ["annotation 1", "negative width"]),
        (put((*ANN, "area"), ...), ["annotation 1", "'area'"]),
        (put((*ANN, "area"), None), ["annotation 1", "area None"]),
        (put((*ANN, "area"), True), ["annotation 1", "area True"]),
        (put((*ANN, "area"), -1), ["annotation 1", "area -1"]),
        (put((*ANN, "iscrowd"), "0"), ["annotation 1", "iscrowd '0'"]),
        (put(SEG, None), ["annotation 1", "empty"]),
        (put(SEG, []), ["annotation 1", "empty"]),
        (put(SEG, [[]]), ["annotation 1", "polygon", "0 numbers"]),
        (put(SEG, [[1, 1, 2, 2, 3, 3, 4]]), ["annotation 1", "polygon", "7 numbers"]),
        (put(SEG, [["a"] * 6]), ["annotation 1", "no list"]),
        (put(SEG, [1, 1, 4, 1, 4, 4]), ["annotation 1", "no list"]),
        (put(SEG, [[1, 1, 1e9, 1, 4, 4]]), ["annotation 1", "1000000000.0"]),
        (put(SEG, [[1, 1, 1e5, 1, 4, 4]]), ["annotation 1", "far out"]),
        (put(SEG, [[-9, 1, -4, 1, -4, 4]]), ["annotation 1", "outside"]),
        (put(SEG, [ZIGZAG]), ["annotation 1", "outline"]),
        (put(SEG, [ZIGZAG[: 2 * 20_000]] * 10), ["annotation 1", "outline"]),
        (put(SEG, {"size": [10, 8], "counts": [80]}), ["annotation 1", "[10, 8]"]),
        (put(SEG, {"size": None, "counts": [80]}), ["annotation 1", "size None"]),
        (put(SEG, {"size": [8, 10], "counts": [70]}), ["annotation 1", "70 pixels"]),
        (put(SEG, {"size": [8, 10], "counts": [90, -10]}), ["annotation 1", "[90, -10]"]),
        (put(SEG, {"size": [8, 10], "counts": "935000_"}), ["annotation 1", "cut off"]),
        (put(SEG, {"size": [8, 10], "counts": "935000_1é"}), ["annotation 1", "cut off"]),
        (put(SEG, {"size": [8, 10], "counts": ""}), ["annotation 1", "run lengths"]),
    ],
)
def test_every_breach_is_one_sentence(tmp_path, change, facts):
    content = copy.deepcopy(BASE)
    change(content)
    path = write(tmp_path / "a.json", content)
    said = refusal(training_counts, path)
    assert said.startswith(str(path)) and not lacks(said, *facts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "LVIS"),
        (b'{"images": []', "JSON"),
        (b'{"images": [}', "JSON"),
        (b'{"images": [{"id": NaN}]}', "NaN"),
        (b'{"images": [{"id": 1, "id": 2}]}', "'id' twice"),
        (b'{"images": [], "images": []}', "'images' twice"),
        (b'{"%b": 1, "%b": 2}' % (2 * (b"k" * 999,)), "the key 'k{60}' twice"),
        (b'{"images": [{"%b": 1, "%b": 2}]}' % (2 * (b"k" * 999,)), "the key 'k{60}' twice"),
        (b'{"images": "\\ud800"}', "'images'"),
        (b'{"info": "\xff"}', "JSON"),
        (b"\xef\xbb\xbf{}", "byte order"),
        (b'{"info": ' + b"[" * 9999 + b"]" * 9999 + b"}", "JSON"),
        (b'{"info": ' + b"1" * 9999 + b"}", "JSON"),
        (b'{"info": {"scale": 1e400}}', "JSON"),
        (b'{"images": [], "annotations": [], "categories": []} x', "JSON"),
        (b"{}", "'images'"),
    ],
)
def test_damaged_files(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(UserError, match=message) as error:
        training_counts(path)
    assert str(path) in str(error.value)


def test_missing_files(tmp_path):
    for read in (read_annotations, load_annotations):
        with pytest.raises(UserError, match=r"none\.json"):
            read(tmp_path / "none.json")
        with pytest.raises(UserError, match=str(tmp_path)):
            read(tmp_path)


def test_pieces_of_any_size_give_the_same_records(small_set, monkeypatch):
    path = small_set[0] / "annotations/train.json"
    whole = read_annotations(path)
    raw = path.read_bytes()
    assert (whole.bytes, whole.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    monkeypatch.setattr("seesaw.data.streaming.PIECE", 61)
    pieces = read_annotations(path)
    assert (pieces.ints == whole.ints).all() and (pieces.floats == whole.floats).all()
    assert pieces.counts() == whole.counts() and pieces.images == whole.images
    assert len(whole.ints) == len(json.loads(raw)["annotations"])


def test_what_is_accepted_and_not_trained_on_is_reported(tmp_path):
    content = copy.deepcopy(BASE)
    content["images"].append(content["images"][1] | {"id": 10})
    content["annotations"][0]["iscrowd"] = 1
    found = read_annotations(write(tmp_path / "a.json", content))
    assert not found.faults and (found.trained, found.trained_images) == (0, 0)
    counts = ("1 annotations without", "1 annotations with iscrowd", "3 images", "1 images")
    assert not lacks(" ".join(found.notes), *counts)


@pytest.mark.parametrize("factor", [1 / 10_000, 1 / 10, 10])
def test_areas_of_another_scale_are_refused_and_a_stray_one_is_reported(
    small_set, tmp_path, factor
):
    content = json.loads((small_set[0] / "annotations/train.json").read_text())
    right = content["annotations"]
    changed = [a | {"area": a["area"] * factor} for a in right]
    with pytest.raises(UserError, match=r"a\.json: annotation \d+ .*\barea [\d.]"):
        training_counts(write(tmp_path / "a.json", content | {"annotations": changed}))
    large = max(right, key=lambda a: a["area"])
    large["area"] *= factor
    found = read_annotations(write(tmp_path / "b.json", content))
    assert len(right) > 20 and not found.faults
    (note,) = [n for n in found.notes if "areas" in n]
    assert note.startswith("1 areas ") and note.endswith(f" {large['id']}")


def test_images_whose_masks_fill_the_memory_are_reported(tmp_path, monkeypatch):
    path = write(tmp_path / "a.json", BASE)
    assert not any("masks" in note for note in read_annotations(path).notes)
    monkeypatch.setattr("seesaw.data.annotations.MASKS", 10 * 8 - 1)
    (note,) = [note for note in read_annotations(path).notes if "masks" in note]
    assert note.startswith("2 images ")


def test_boxes_as_corners_are_refused_and_a_stray_one_is_reported(small_set, tmp_path):
    content = json.loads((small_set[0] / "annotations/train.json").read_text())
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        annotation["bbox"] = [x, y, x + w, y + h]
    with pytest.raises(UserError, match="outline"):
        training_counts(write(tmp_path / "a.json", content))
    content = json.loads((small_set[0] / "annotations/train.json").read_text())
    content["annotations"][5]["bbox"][2:] = [0, 0]
    found = read_annotations(write(tmp_path / "b.json", content))
    assert len(content["annotations"]) > 20 and not found.faults
    assert f"first {content['annotations'][5]['id']}" in found.notes[0]
