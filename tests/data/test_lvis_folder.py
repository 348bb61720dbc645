import copy
import hashlib

import orjson
import pytest

from seesaw.data.lvis_folder import (
    URL_PREFIX,
    category_counts,
    check_images,
    frequency_of,
    image_file,
    manifest,
    write_json,
)
from seesaw.errors import UserError
from seesaw.spec.annotations import load_annotations

BASE = {
    "images": [
        {"id": 7, "width": 10, "height": 8, "file_name": "COCO_val2014_000000000007.jpg",
         "coco_url": "http://images.cocodataset.org/val2017/000000000007.jpg",
         "neg_category_ids": [2], "not_exhaustive_category_ids": []},
        {"id": 9, "width": 10, "height": 8, "file_name": "plain.png"},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 1, 3, 3], "area": 9.0,
         "segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [5, 1, 0, 0], "area": 0.0,
         "segmentation": {"size": [8, 10], "counts": [40, 2, 38]}},
        {"id": 3, "image_id": 9, "category_id": 2, "bbox": [1, 1, 3, 3], "area": 9.0,
         "segmentation": {"size": [8, 10], "counts": "9333S1"}},
    ],
    "categories": [
        {"id": 2, "name": "bee", "frequency": "f"},
        {"id": 1, "name": "ant"},
    ],
}  # fmt: skip


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(content))
    return path


def test_counts_come_from_the_annotations(tmp_path):
    path = write(tmp_path / "a.json", BASE)
    assert category_counts(path) == [
        {"id": 1, "name": "ant", "image_count": 1, "instance_count": 2, "frequency": "r"},
        {"id": 2, "name": "bee", "image_count": 1, "instance_count": 1, "frequency": "f"},
    ]
    assert [frequency_of(n) for n in (1, 10, 11, 100, 101)] == list("rrccf")


def test_image_files(tmp_path):
    found = [image_file(tmp_path, i).relative_to(tmp_path).as_posix() for i in BASE["images"]]
    assert found == ["val2017/000000000007.jpg", "plain.png"]


def put(path, value):
    """An edit of BASE: sets, or with ``...`` deletes, what ``path`` leads to."""

    def edit(content):
        *way, last = path
        for key in way:
            content = content[key]
        if value is ...:
            del content[last]
        else:
            content[last] = value

    return edit


ANN, SEG = ("annotations", 0), ("annotations", 0, "segmentation")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put(("images",), ...), "no list 'images'"),
        (put(("images",), []), "lists no images"),
        (put(("categories",), []), "lists no categories"),
        (put(("annotations",), {}), "no list 'annotations'"),
        (put(("images", 1, "width"), ...), "image 9 has no 'width'"),
        (put(("images", 1, "height"), 0), "image 9 has height 0"),
        (put(("images", 1, "file_name"), ...), "neither 'coco_url' nor 'file_name'"),
        (put(("images", 1, "id"), 7), "image id 7 appears twice"),
        (put(("images", 0, "neg_category_ids"), [5]), "unknown category 5 in neg_category_ids"),
        (put(("categories", 0, "id"), 4), "category id 2 is missing.*1..2"),
        (put(("categories", 0, "name"), ...), "category 2 has no 'name'"),
        (put(("categories", 0), "bee"), "category number 0 has no integer 'id'"),
        (put((*ANN, "image_id"), 8), "annotation 1 has the unknown image_id 8"),
        (put((*ANN, "category_id"), 3), "annotation 1 has the unknown category_id 3"),
        (put((*ANN, "id"), 2), "annotation id 2 appears twice"),
        (put((*ANN, "bbox"), [1, 2, 3]), r"bbox \[1, 2, 3\]"),
        (put((*ANN, "bbox"), [1, 2, 3, None]), "four numbers"),
        (put((*ANN, "area"), ...), "annotation 1 has no 'area'"),
        (put(SEG, []), "empty segmentation"),
        (put(SEG, [[]]), "polygon of 0 numbers"),
        (put(SEG, [[1, 1, 2, 2]]), "polygon of 4 numbers"),
        (put(SEG, [[1, 1, 2, 2, 3, 3, 4]]), "polygon of 7 numbers"),
        (put(SEG, [["a"] * 6]), "no list of numbers"),
        (put(SEG, {"size": [10, 8], "counts": [80]}), r"mask of size \[10, 8\]"),
        (put(SEG, {"size": [8, 10], "counts": [70]}), "run lengths of 70 pixels"),
        (put(SEG, {"size": [8, 10]}), "no run lengths"),
    ],
)
def test_every_breach_is_one_sentence(tmp_path, edit, message):
    content = copy.deepcopy(BASE)
    edit(content)
    path = write(tmp_path / "a.json", content)
    with pytest.raises(UserError, match=message) as error:
        load_annotations(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_damaged_files(tmp_path):
    with pytest.raises(UserError, match=r"none\.json does not exist"):
        load_annotations(tmp_path / "none.json")
    with pytest.raises(UserError, match="cannot be read"):
        load_annotations(tmp_path)
    path = write(tmp_path / "a.json", BASE)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="no valid JSON"):
        load_annotations(path)
    path.write_bytes(b"[1, 2]")
    with pytest.raises(UserError, match="is no LVIS file"):
        load_annotations(path)


def test_gaps_pass_where_no_training_needs_the_ids(tmp_path):
    content = copy.deepcopy(BASE)
    content["categories"].append({"id": 30, "name": "cow"})
    path = write(tmp_path / "a.json", content)
    with pytest.raises(UserError, match="category id 3 is missing"):
        category_counts(path)
    assert category_counts(path, contiguous=False)[-1]["image_count"] == 0


def test_image_faults_name_the_file(small_set, tmp_path):
    root = tmp_path / "set"
    content = load_annotations(small_set[0] / "annotations/test_dev.json")
    for image in content["images"]:
        target = image_file(root, image)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(image_file(small_set[0], image).read_bytes())
    write(root / "a.json", content)
    assert check_images(root, "a.json") == 8
    first, second, third = (image_file(root, i) for i in content["images"][:3])
    whole = first.read_bytes()
    for broken, message in ((whole[:-3000], "no readable image"), (b"text", "no readable image"),
                            (second.read_bytes(), "pixels but")):  # fmt: skip
        first.write_bytes(broken)
        with pytest.raises(UserError, match=message) as error:
            check_images(root, "a.json")
        assert str(first) in str(error.value)
    first.write_bytes(whole)
    third.unlink()
    for call in (check_images, lambda r, a: manifest(r, {"test": a})):
        with pytest.raises(UserError, match=f"{third.name} is missing"):
            call(root, "a.json")


def test_manifest_changes_with_the_data_and_only_then(small_set, tmp_path):
    root, files = small_set[0], {s: f"annotations/{s}.json" for s in ("train", "val")}
    first = manifest(root, files)
    assert first == manifest(root, dict(reversed(files.items())))
    assert first["categories"] == 12 and first["hash"] == "content"
    assert first["splits"]["train"]["images"]["count"] == 240
    raw = (root / "annotations/val.json").read_bytes()
    assert first["splits"]["val"]["annotations"] == {
        "file": "annotations/val.json", "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }  # fmt: skip
    image = next((root / "val").iterdir())
    before = image.read_bytes()
    try:
        image.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        changed = manifest(root, files)
        assert changed["splits"]["train"] == first["splits"]["train"]
        assert changed["splits"]["val"]["images"] != first["splits"]["val"]["images"]
        quick = manifest(root, files, hash_images=False)
        assert quick["hash"] == "names and sizes"
        image.write_bytes(before)
        assert manifest(root, files, hash_images=False) == quick
    finally:
        image.write_bytes(before)
    write_json(first, tmp_path / "m/a.json")
    write_json({k: first[k] for k in reversed(first)}, tmp_path / "m/b.json")
    assert (tmp_path / "m/a.json").read_bytes() == (tmp_path / "m/b.json").read_bytes()
    assert orjson.loads((tmp_path / "m/a.json").read_bytes()) == first
    assert len(list((tmp_path / "m").iterdir())) == 2


def test_manifest_refuses_splits_of_different_sets(small_set, tmp_path):
    whole = copy.deepcopy(BASE)
    whole["images"][1]["coco_url"] = f"{URL_PREFIX}plain.png"
    other = copy.deepcopy(whole)
    other["categories"][0]["name"] = "wasp"
    whole["categories"][1]["frequency"] = other["categories"][1]["frequency"] = "r"
    write(tmp_path / "a.json", whole)
    write(tmp_path / "b.json", other)
    write(tmp_path / "c.json", BASE)
    for image in whole["images"]:
        path = image_file(tmp_path, image)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not decoded here")
    assert manifest(tmp_path, {"train": "a.json", "val": "a.json"})["categories"] == 2
    del other["categories"][1]["frequency"]
    write(tmp_path / "d.json", other)
    with pytest.raises(UserError, match=r"d\.json: category 1 has the frequency None: write"):
        manifest(tmp_path, {"val": "d.json"})
    with pytest.raises(UserError, match=r"b\.json has other categories"):
        manifest(tmp_path, {"train": "a.json", "val": "b.json"})
    with pytest.raises(UserError, match=r"c\.json: image 9 has no 'coco_url', by which mmdet's"):
        manifest(tmp_path, {"train": "c.json"})
