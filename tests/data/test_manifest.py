"""The manifest changes with the data only, and what is wrong between splits is reported."""

import errno
import hashlib
import os
import re

import orjson
import pytest
from small_folder import FILES, edit, path_of

from seesaw.data import lvis_folder
from seesaw.data.lvis_folder import write_json
from seesaw.data.unchanged import changes
from seesaw.errors import UserError
from seesaw.spec.datasets import DatasetEntry


def hashed(root):
    return lvis_folder.manifest(root, lvis_folder.read(root, FILES))


def test_manifest_changes_with_the_data_and_only_then(small_set, tmp_path):
    root = small_set[0]
    first = hashed(root)
    assert first == hashed(root)
    assert first["categories"] == 12 and first["hash"] == "content"
    assert first["splits"]["train"]["images"]["count"] == 240
    raw = (root / "annotations/val.json").read_bytes()
    assert first["splits"]["val"]["annotations"] == {
        "file": "annotations/val.json", "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }  # fmt: skip
    assert lvis_folder.hashes(root, "annotations/val.json") == first["splits"]["val"]
    image = next((root / "val").iterdir())
    before = image.read_bytes()
    try:
        image.write_bytes(before + b"\0")
        changed = hashed(root)
        assert changed["splits"]["train"] == first["splits"]["train"]
        assert changed["splits"]["val"]["images"] != first["splits"]["val"]["images"]
    finally:
        image.write_bytes(before)
    write_json(first, tmp_path / "m/a.json")
    write_json({k: first[k] for k in reversed(first)}, tmp_path / "m/b.json")
    assert (tmp_path / "m/a.json").read_bytes() == (tmp_path / "m/b.json").read_bytes()
    assert orjson.loads((tmp_path / "m/a.json").read_bytes()) == first
    assert len(list((tmp_path / "m").iterdir())) == 2


def test_an_image_that_cannot_be_read_is_not_said_to_be_missing(folder):
    image = folder / "val/000011.jpg"
    for harm, said in (
        (lambda: None, "missing"),
        (lambda: image.symlink_to(image), os.strerror(errno.ELOOP)),  # root cannot read it either
        (image.mkdir, "no file"),
    ):
        image.unlink(missing_ok=True)
        harm()
        with pytest.raises(UserError, match=f"{image} .*{said}"):
            lvis_folder.hashes(folder, FILES["val"])


def test_images_that_have_changed_are_those_of_a_file_that_is_there(folder):
    (folder / "val").rename(folder / "pictures")
    edit(
        folder,
        "val",
        lambda c: [i.update(coco_url=f"pictures/{i['id']:06d}.jpg") for i in c["images"]],
    )
    entry, known = DatasetEntry(name="set", root=folder, **FILES), hashed(folder)
    assert not list(changes(entry, known, "val"))
    (folder / "pictures/000011.jpg").write_bytes(b"other")
    assert [path for path, _ in changes(entry, known, "val")] == [path_of(folder, "val")]


def category(content):
    return content["categories"][0]


@pytest.mark.parametrize(
    ("split", "change", "message"),
    [
        ("val", lambda c: category(c).update(name="wasp"), r"val\.json .*\bcategories\b"),
        ("val", lambda c: c["categories"].pop(), r"val\.json: image 12 .*\bcategory 4\b"),
        ("val", lambda c: category(c).pop("frequency"), r"val\.json: category 1 .*\bfrequency\b"),
        ("train", lambda c: c["annotations"].clear(), r"train\.json .*\bannotation\b"),
        (
            "train",
            lambda c: [a.update(iscrowd=1) for a in c["annotations"]],
            r"train\.json .*\biscrowd\b",
        ),
        ("val", lambda c: c["annotations"].clear(), r"val\.json .*\bannotation\b.*'ignore'"),
    ],
)
def test_what_splits_need(folder, split, change, message):
    edit(folder, split, change)
    with pytest.raises(UserError, match=message):
        for content in lvis_folder.read(folder, FILES).values():
            content.refuse()


def test_images_of_train_in_val_are_reported(folder):
    path_of(folder, "val").write_bytes(path_of(folder, "train").read_bytes())
    assert re.match(r"10 images .*\btrain\b", lvis_folder.read(folder, FILES)["val"].notes[0])
