"""Image files are what training reads, and --fix writes a copy that the reader takes."""

import hashlib
import json
import os

import cv2
import numpy as np
import pytest
import small_folder
from PIL import Image
from small_folder import FILES, edit, faults, path_of

from seesaw.cli import main
from seesaw.core import paths
from seesaw.data import lvis_folder, pictures, repair
from seesaw.errors import UserError
from seesaw.spec.annotations import relative_path

TURNED = {n: Image.Exif() for n in range(2, 9)}
for _n, _exif in TURNED.items():
    _exif[0x0112] = _n


def save(mode, name, **options):
    def write(path):
        noise = np.random.default_rng(0).integers(0, 256, (88, 104, 4), np.uint8)
        picture = Image.fromarray(noise, "RGBA")
        if mode.startswith("I;16"):
            picture = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
        elif mode != "RGBA":
            picture = picture.convert("RGB").convert(mode)
        more = {"append_images": [picture]} if options.get("save_all") else {}
        picture.save(path, name, **options, **more)

    return write


@pytest.mark.parametrize(
    "write",
    [
        save("RGBA", "PNG"), save("P", "PNG"), save("L", "PNG"), save("1", "PNG"),
        save("I;16", "PNG"), save("CMYK", "JPEG"), save("L", "JPEG"), save("RGB", "PNG"),
        save("RGB", "WEBP"), save("RGB", "BMP"), save("RGB", "TIFF"),
        save("RGB", "JPEG", progressive=True),
    ],
)  # fmt: skip
def test_what_opencv_reads_is_taken_whatever_its_mode_and_suffix(folder, write):
    write(folder / "train/000001.jpg")
    assert faults(folder) == []


def cut(path):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.9)])


def reserve(path):
    """Leave what a stopped download has written to a file whose space had been reserved."""
    save("RGB", "JPEG")(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))


def link(path, target):
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda p: p.unlink(), "file"),
        (lambda p: p.write_bytes(b"text"), "file"),
        (cut, "file"),
        (reserve, "file"),
        (lambda p: link(p, "/dev/zero"), "file"),
        (lambda p: link(p, __file__), "file"),
        (lambda p: Image.new("RGB", (104, 87)).save(p), "other size"),
        (lambda p: Image.new("RGB", (88, 104)).save(p), "other size"),
    ],
)
def test_a_file_that_is_not_what_was_annotated_is_refused(folder, harm, code):
    harm(folder / "val/000011.jpg")
    assert faults(folder) == [("image 11", code)]


def shown_at(path):
    """The pixels that mmcv's loader, which uses OpenCV, gives."""
    return cv2.imread(str(path), cv2.IMREAD_COLOR)


def stored_in(path):
    return cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def first_of(target):
    """What the loader gives of the first training image of a mended copy."""
    image = small_folder.read(target, "train")["images"][0]
    return shown_at(target / relative_path(image))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "big TIFF"])
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_photo_that_the_loader_turns_is_refused_and_mended(folder, kind, orientation):
    """OpenCV turns a TIFF in any case, and its imread refuses one on its side."""
    path = folder / "train/000001.jpg"
    before = Image.open(path).convert("RGB")
    if kind.endswith("TIFF"):
        before.save(path, "TIFF", tiffinfo={0x0112: orientation}, big_tiff=kind[0] == "b")
        stored = np.array(before)[..., ::-1]
    else:
        before.save(path, kind, exif=TURNED[orientation])
        stored = stored_in(path)
    raw = path.read_bytes()
    assert faults(folder) == [("image 1", "turned")]
    target, done = repair.repair(folder, FILES)
    assert path.read_bytes() == raw and sum(done.values()) == 1
    assert np.array_equal(first_of(target), stored)
    assert faults(target) == []


def test_no_program_is_started_for_an_image(folder):
    """Pillow gives PostScript to Ghostscript."""
    path = folder / "train/000001.jpg"
    Image.open(path).convert("RGB").save(path, "EPS")
    fault = pictures.content_fault(path, path.read_bytes(), 104, 88)
    assert fault is not None and "OpenCV" in fault.what


def test_a_photo_annotated_as_shown_is_taken_if_its_size_tells_so(folder):
    path = folder / "train/000001.jpg"
    upright = Image.open(path).copy()
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=TURNED[6])
    assert faults(folder) == []
    upright.transpose(Image.Transpose.ROTATE_180).save(path, exif=TURNED[3])
    assert faults(folder) == [("image 1", "turned")]
    target, _ = repair.repair(folder, FILES, repair.SHOWN)
    assert np.array_equal(first_of(target), shown_at(path))


def test_shown_is_no_answer_where_the_size_says_stored(folder):
    path = folder / "train/000001.jpg"
    Image.open(path).copy().save(path, exif=TURNED[6])
    target, done = repair.repair(folder, FILES, repair.SHOWN)
    assert [change.rpartition(" ")[2] for change in done] == ["stored"]
    assert np.array_equal(first_of(target), stored_in(path))


def spoil(content):
    images, annotations = content["images"], content["annotations"]
    del images[0]["neg_category_ids"]
    images[1]["not_exhaustive_category_ids"] = None
    images[2]["neg_category_ids"] = [1, 77]
    images[5]["neg_category_ids"] = [-1]
    images[3]["file_name"] = images[3].pop("coco_url").removeprefix(small_folder.PREFIX)
    images[4]["coco_url"] = "../elsewhere.png"
    annotations[0]["area"] = None
    annotations[1]["bbox"] = [5, 5, -1, 3]
    annotations[2]["segmentation"] = [[1e9, 0, 0, 0, 5, 5]]
    annotations[3]["segmentation"][0][0] = 5000
    annotations[4]["id"] = annotations[5]["id"]
    annotations[6]["category_id"] = 99
    content["categories"].reverse()


def test_a_mended_copy_is_accepted_and_the_originals_stay(folder, printed):
    edit(folder, "train", spoil)
    text = "\ufeff" + path_of(folder, "val").read_text().replace('"area": ', '"area": NaN, "a": ')
    path_of(folder, "val").write_text(text, encoding="utf-8")
    hashes = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.*")}
    options = ["--scale", "smoke", "--dataset", str(folder)]
    printed("data", *options, code=2)
    printed("data", "--fix", *options)
    assert hashes == {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.*")}
    fixed = folder.with_name("set_fixed")
    assert (fixed / "manifest.json").is_file()
    train = json.loads(path_of(fixed, "train").read_text())
    assert len(train["images"]) == 9  # one outside
    left = {a["image_id"] for a in train["annotations"]}
    assert 5 not in left and [c["id"] for c in train["categories"]] == [1, 2, 3, 4]
    first = train["annotations"][0]
    assert first["area"] > 100
    said = printed("data", "--fix", *options, code=2)  # the copy exists
    assert str(fixed) in said.splitlines()[-1]


def test_areas_that_are_shares_of_the_image_become_pixels(folder):
    before = small_folder.read(folder, "train")["annotations"]

    def shrink(content):
        for annotation in content["annotations"]:
            annotation["area"] /= 104 * 88
        content["annotations"][0]["area"] = 0  # left out on purpose

    edit(folder, "train", shrink)
    target, _ = repair.repair(folder, FILES)
    first, *after = (a["area"] for a in small_folder.read(target, "train")["annotations"])
    assert first == 0 and after == pytest.approx([a["area"] for a in before[1:]], rel=0.2)
    assert faults(target) == []


def test_ids_are_made_unique_beside_the_largest_id_too(folder):
    def repeat(content):
        first, second, third = content["annotations"][:3]
        first["id"], second["id"], third["id"] = 2**63 - 1, 2**63 - 1, None

    edit(folder, "train", repeat)
    target, done = repair.repair(folder, FILES)
    ids = [a["id"] for a in small_folder.read(target, "train")["annotations"]]
    assert len(set(ids)) == len(ids) == 30 and sum(done.values()) == 2
    assert faults(target) == []


def test_the_files_of_an_entry_may_have_any_names(folder, tmp_path, monkeypatch, capsys):
    path_of(folder, "train").rename(folder / "a.json")
    path_of(folder, "val").rename(folder / "b.json")
    row, table = dict(root=str(folder), train="a.json", val="b.json"), tmp_path / "datasets.yaml"
    table.write_text(json.dumps({"datasets": {"mine": row}}))
    monkeypatch.setattr(paths, "DATASETS", table)
    options = ["--fix", "--scale", "smoke", "--dataset", "mine"]
    assert main.main(["data", *options]) == 0, capsys.readouterr().err
    assert (tmp_path / "set_fixed/manifest.json").is_file()
    assert not (folder / "manifest.json").exists()


def test_groups_that_val_lacks_are_those_of_train(tmp_path):
    """By the images of val, all categories would be rare; train has twelve of each."""
    folder = small_folder.make(tmp_path / "set", splits={"train": 16, "val": 2})
    edit(folder, "train", lambda content: [c.pop("frequency") for c in content["categories"][2:]])

    def spoil_val(content):
        rook, kite, disc, slab = content["categories"]
        rook["frequency"] = "x"
        disc.pop("frequency")
        slab.pop("frequency")
        kite["frequency"] = "f"  # valid, so it stays

    edit(folder, "val", spoil_val)
    target, _ = repair.repair(folder, FILES)
    val = json.loads(path_of(target, "val").read_text())
    assert [c["frequency"] for c in val["categories"]] == ["r", "f", "c", "c"]


def test_images_that_are_links_inside_the_folder_are_kept(folder):
    image = folder / "train/000001.jpg"
    image.rename(folder / "real.jpg")
    image.symlink_to("../real.jpg")
    assert faults(folder) == []
    edit(folder, "train", lambda content: content["annotations"][5].pop("area"))
    target, done = repair.repair(folder, FILES)
    assert sum(done.values()) == 1 and faults(target) == []
    assert (target / "train/000001.jpg").read_bytes() == (folder / "real.jpg").read_bytes()


@pytest.mark.parametrize("absolute", [True, False])
def test_annotations_outside_the_folder_are_not_replaced_by_their_copy(folder, absolute):
    edit(folder, "train", spoil)
    outside = folder.with_name("train.json")
    path_of(folder, "train").rename(outside)
    before = outside.read_bytes()
    with pytest.raises(UserError, match=rf"train\.json .* {folder}:"):
        repair.repair(folder, FILES | {"train": str(outside) if absolute else "../train.json"})
    assert outside.read_bytes() == before


@pytest.mark.parametrize(
    "change", [{"THREADS": 5}, {"MEMORY": 0}, {"MEMORY": 3 * pictures.PIXEL * 104 * 88}]
)
def test_files_are_hashed_in_order_whatever_is_checked_at_once(folder, monkeypatch, change):
    images = lvis_folder.read(folder, FILES)["train"].images
    one = pictures.digest((c.image.path, c.content) for c in pictures.check(folder, images))
    for name, value in change.items():
        monkeypatch.setattr(pictures, name, value)
    other = pictures.digest((c.image.path, c.content) for c in pictures.check(folder, images))
    assert one == other and one[0] == sum((folder / i.path).stat().st_size for i in images)


def test_the_progress_is_printed(folder, monkeypatch, capsys):
    monkeypatch.setattr("seesaw.core.pace.EVERY", 0.0)
    assert faults(folder) == []
    assert "\n9 of 10 images " in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused_before_its_images_are_decoded(folder, printed):
    folder.chmod(0o555)
    (folder / "train/000001.jpg").write_bytes(b"no image")
    assert "read-only" in printed("data", "--scale", "smoke", "--dataset", folder, code=2)
    own = folder.with_name("own")
    own.mkdir()
    for name in ("annotations", "train", "val", "test"):
        (own / name).symlink_to(folder / name)
    assert "000001.jpg" in printed("data", "--scale", "smoke", "--dataset", own, code=2)


def test_too_few_images_for_a_schedule_are_refused_before_training(tmp_path, printed):
    folder = small_folder.make(tmp_path / "three", splits={"train": 3, "val": 2})
    said = printed("data", "--scale", "smoke", "--dataset", folder, code=2)
    assert "train.json" in said and "3 images" in said and "no iteration" in said
    assert not (folder / "manifest.json").exists()
