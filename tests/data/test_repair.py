"""What --fix mends in annotation files is what was meant."""

import os

import pytest
import small_folder
from PIL import Image
from small_folder import FILES, edit

from seesaw.data import lvis_folder, repair
from seesaw.errors import UserError


def test_whole_numbers_that_pandas_wrote_as_floats_are_kept(folder):
    before = small_folder.read(folder, "train")

    def spoil(content):
        image, annotation = content["images"][0], content["annotations"][0]
        image |= {key: float(image[key]) for key in ("id", "width", "height")}
        image["neg_category_ids"] = [float(c) for c in image["neg_category_ids"]]
        annotation |= {key: float(annotation[key]) for key in ("id", "image_id", "category_id")}
        content["categories"][1]["id"] = 2.0

    edit(folder, "train", spoil)
    target, done = repair.repair(folder, FILES)
    assert small_folder.read(target, "train") == before
    assert list(done.values()) == [7 + len(before["images"][0]["neg_category_ids"])]
    assert not any(content.faults for content in lvis_folder.read(target, FILES).values())


@pytest.mark.parametrize("read", [lvis_folder.read, repair.repair])
def test_a_pipe_is_no_annotation_file(folder, read):
    """It would be waited for without end."""
    path = small_folder.path_of(folder, "train")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=f"{path} .*no file"):
        read(folder, FILES)


def test_a_wrong_frequency_costs_no_annotation(folder):
    def spoil(content):
        for category in content["categories"]:
            category["frequency"] = "rare"

    for split in FILES:
        edit(folder, split, spoil)
        faults = lvis_folder.read(folder, FILES)[split].faults
        assert [fault.key for fault in faults] == ["categories"] * len(small_folder.NAMES)
    target, _ = repair.repair(folder, FILES)
    for split in FILES:
        kept = small_folder.read(target, split)["annotations"]
        assert kept == small_folder.read(folder, split)["annotations"]


def test_ids_that_are_text_and_paths_of_windows_are_what_they_say(folder):
    """VIA writes the first, LabelMe on Windows the second."""
    before = small_folder.read(folder, "train")

    def spoil(content):
        for record in content["annotations"]:
            record |= {key: str(record[key]) for key in ("id", "image_id", "category_id")}
        for image in content["images"]:
            image["file_name"] = image.pop("coco_url").removeprefix(small_folder.PREFIX)
            image["file_name"] = image["file_name"].replace("/", "\\")
            image["id"] = str(image["id"])

    edit(folder, "train", spoil)
    after = small_folder.read(repair.repair(folder, FILES)[0], "train")
    assert after["annotations"] == before["annotations"]
    for image in after["images"]:
        del image["file_name"]
    assert after == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("area", 10**30), ("area", 10**400), ("id", 2**70), ("id", -(2**70)), ("image_id", 2**70)],
)
def test_numbers_beyond_64_bits_are_mended_or_left_out(folder, key, value):
    edit(folder, "train", lambda content: content["annotations"][0].update({key: value}))
    target, done = repair.repair(folder, FILES)
    assert sum(done.values()) == 1
    assert not any(content.faults for content in lvis_folder.read(target, FILES).values())


@pytest.mark.parametrize("slash", ["/", "//", "/./"])
def test_a_photo_that_is_listed_as_stored_and_as_shown_is_kept_as_both(folder, slash):
    photo, exif = folder / "train/000001.jpg", Image.Exif()
    exif[0x0112] = 6
    Image.open(photo).copy().save(photo, exif=exif)

    def list_again(content):
        shown = content["images"][0] | {"id": 99, "width": 88, "height": 104}
        shown["coco_url"] = shown["coco_url"].replace("/000001", f"{slash}000001")
        content["images"].append(shown)

    edit(folder, "train", list_again)
    target, done = repair.repair(folder, FILES)
    assert sum(done.values()) == 1
    images = small_folder.read(target, "train")["images"]
    assert len(images) == 11 and images[-1]["coco_url"] != images[0]["coco_url"]
    assert small_folder.faults(target) == []


def test_an_image_whose_name_is_too_long_for_a_file_is_left_out(folder):
    edit(folder, "train", lambda content: content["images"][0].update(coco_url="a" * 300))
    target, _ = repair.repair(folder, FILES)
    assert [i["id"] for i in small_folder.read(target, "train")["images"]] == [*range(2, 11)]


def test_where_nothing_is_left_the_first_fault_is_told(folder):
    """As COCO's file names without their folder."""

    def spoil(content):
        for image in content["images"]:
            image["coco_url"] = image["coco_url"].replace("/train/", "/")

    edit(folder, "train", spoil)
    with pytest.raises(UserError, match=r"image 1 has the file .*/set/000001\.jpg, .* missing"):
        repair.repair(folder, FILES)
    assert not folder.with_name("set_fixed").exists()
