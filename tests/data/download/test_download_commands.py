"""`seesaw download` on a small copy of the table, served on loopback."""

import fcntl
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from downloads_cases import ANNOTATIONS, FILES, IMAGES, WEIGHTS, put_file, put_link, run
from facts import lacks
from zips import zipped

from seesaw.data.download import obtain
from seesaw.errors import UserError
from seesaw.spec import downloads
from seesaw.spec.scales import Scale

RECORD = Path("data/downloads/lvis_v1.json")


def test_the_paper_scales_needs_arrive_and_a_second_call_asks_nothing(small, server, capsys):
    assert run() == 0
    said = capsys.readouterr().out
    assert {p.name: p.read_bytes() for p in Path("data/lvis_v1/train2017").iterdir()} == {
        Path(name).name: content for name, content in IMAGES.items()
    }
    assert (
        json.loads(Path("data/lvis_v1/annotations/lvis_v1_train.json").read_text()) == ANNOTATIONS
    )
    assert Path("data/pretrained/resnet50.pth").read_bytes() == WEIGHTS
    assert sorted(p.name for p in Path("data/downloads").iterdir()) == [
        "lvis_v1.json",
        "pretrained.json",
    ]
    assert not lacks(said, "1 annotations", "(8)", ": 7:")
    record, asked = RECORD.read_bytes(), len(server.requests)
    assert run() == 0
    assert RECORD.read_bytes() == record and len(server.requests) == asked == len(FILES)


def test_archives_can_be_kept_and_parts_named(small, server):
    assert run("train", "--keep") == 0
    assert Path("data/downloads/train2017.zip").read_bytes() == FILES["train2017.zip"]
    assert not RECORD.exists()  # the set is not whole
    assert [path for path, _ in server.requests] == ["train2017.zip"]


def test_small_scales_need_nothing(small, server, printed):
    assert "nothing" in printed("download", "--scale", "mini") and not server.requests
    assert Scale("smoke").downloads == [] and Scale("paper").downloads == ["lvis_v1", "pretrained"]
    assert Scale("paper", "mini_lvis").downloads == ["pretrained"]


def test_a_coco_folder_is_linked_and_its_zips_used_where_they_are(small, server, tmp_path):
    coco = tmp_path / "coco"
    for name, content in IMAGES.items():
        (coco / name).parent.mkdir(parents=True, exist_ok=True)
        (coco / name).write_bytes(content)
    (coco / "lvis_v1_train.json.zip").write_bytes(FILES["lvis_v1_train.json.zip"])
    Path("site.yaml").write_text(f"coco: {coco}\n")
    assert run("lvis_v1") == 0
    assert Path("data/lvis_v1/train2017").readlink() == coco / "train2017"
    assert (coco / "lvis_v1_train.json.zip").exists() and not server.requests
    shutil.rmtree(coco / "train2017")
    (coco / "train2017").mkdir()
    RECORD.unlink()
    assert run("lvis_v1") == 2


LVIS = "`seesaw download lvis_v1`"
TRAIN = "data/lvis_v1/annotations/lvis_v1_train.json"
COUNTS = ["0 images", "2 images", "0 annotations", "2 annotations", "0 categories", "1 categories"]


@pytest.mark.parametrize(
    ("path", "there", "facts"),
    [
        ("site.yaml", b"coco: /no/such/place", ["site.yaml", "coco", "'/no/such/place'"]),
        ("site.yaml", b"coco: ~no_such_user/coco", ["site.yaml", "coco", "'~no_such_user/coco'"]),
        ("data/lvis_v1/train2017/1.jpg", b"1", ["lvis_v1/train2017", "1 files", "5 files", LVIS]),
        ("data/lvis_v1/train2017", Path("/no/link"), ["lvis_v1/train2017", "/no/link", LVIS]),
        ("data/downloads/train2017.zip", b"1", ["downloads/train2017.zip", "sha256", LVIS]),
        (
            "data/pretrained/resnet50.pth",
            b"1",
            ["pretrained/resnet50.pth", "sha256", "`seesaw download pretrained`"],
        ),
        (TRAIN, b"{}", [TRAIN, *COUNTS, LVIS]),
    ],
)
def test_what_is_there_already_but_wrong_is_reported(small, path, there, facts, capsys):
    (put_file if isinstance(there, bytes) else put_link)(path, there)
    assert run() == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("seesaw download: ") and not lacks(sentence, *facts)


def test_weights_in_torchs_cache_are_copied(small, server):
    put_file("torch/hub/checkpoints/resnet50.pth", WEIGHTS)
    assert run("pretrained") == 0
    assert Path("data/pretrained/resnet50.pth").read_bytes() == WEIGHTS and not server.requests


def test_another_file_of_that_name_in_torchs_cache_is_passed_over(small, server, capsys):
    put_file("torch/hub/checkpoints/resnet50.pth", b"other" * 9)
    assert run("pretrained") == 0
    said = capsys.readouterr().out
    assert "hub/checkpoints/resnet50.pth" in said and len(server.requests) == 1


def test_two_processes_do_not_unpack_into_one_folder(small, capsys):
    put_file("data/downloads/train2017.zip", FILES["train2017.zip"])
    own = Path("data/lvis_v1/.train2017.lock")
    own.parent.mkdir(parents=True)
    with own.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert run("train") == 2
    assert not lacks(capsys.readouterr().err, "data/lvis_v1/train2017", "another process")
    assert run("train") == 0
    assert [p.name for p in Path("data/lvis_v1").iterdir()] == ["train2017"]


def test_an_interrupted_unpacking_goes_on(small, monkeypatch):
    from seesaw.data.download import unpack

    whole, done = unpack._extract, []

    def killed(file, member, target):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(member.filename)
        whole(file, member, target)

    monkeypatch.setattr(unpack, "_extract", killed)
    assert run("train") == 130
    assert not Path("data/lvis_v1/train2017").exists()
    part = Path("data/lvis_v1/.train2017.part")
    before = {p.name: p.stat().st_mtime_ns for p in part.iterdir()}
    assert len(before) == 3
    monkeypatch.setattr(unpack, "_extract", whole)
    assert run("train") == 0
    after = {p.name: p.stat().st_mtime_ns for p in Path("data/lvis_v1/train2017").iterdir()}
    assert before.items() <= after.items() and len(after) == 5 and not part.exists()


def test_an_archive_that_holds_less_is_told_and_nothing_appears(small, server):
    files, lost = downloads.load(), dict(list(IMAGES.items())[1:])
    short = zipped(lost)
    remote = files.find("train")[0].model_copy(
        update={"sha256": hashlib.sha256(short).hexdigest(), "bytes": len(short)}
    )
    server.files["train2017.zip"] = short
    with pytest.raises(UserError, match=rf"{remote.path} .*\b4 files .*\b5\b"):
        obtain.obtain(remote, None)
    assert not remote.made.exists()


def test_a_damaged_archive_is_reported(small):
    remote = downloads.load().find("train")[0]
    broken = bytearray(FILES["train2017.zip"])
    broken[broken.index(IMAGES["train2017/000000000002.jpg"][:50]) + 9] ^= 1
    put_file(remote.path, bytes(broken))
    remote = remote.model_copy(update={"sha256": hashlib.sha256(broken).hexdigest()})
    with pytest.raises(UserError, match=rf"{remote.path} .*CRC.* 'train2017/0*2\.jpg'"):
        obtain.obtain(remote, None)
    assert not remote.made.exists()


@pytest.mark.parametrize(
    ("header", "at", "value", "said"),
    [
        (b"PK\1\2", 8, 1, "encrypted"),
        (b"PK\1\2", 10, 99, "compression"),
        (b"PK\3\4", 30 + len("lvis_v1_train.json"), 255, "Error -3"),
    ],
)
def test_an_archive_that_cannot_be_read_is_reported(small, header, at, value, said):
    name = "lvis_v1_train.json.zip"
    content = bytearray(FILES[name])
    content[content.index(header) + at] = value
    remote = downloads.load().find(name)[0]
    remote = remote.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    put_file(remote.path, bytes(content))
    with pytest.raises(UserError, match=f"{remote.path} .*{said}"):
        obtain.obtain(remote, None)
    assert not remote.made.exists()


def test_room_is_reckoned_before_anything_is_asked_of_the_network(
    small, server, monkeypatch, capsys
):
    """Each archive goes before the next comes: all images and one archive at the worst moment."""
    free = shutil.disk_usage(".")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert run() == 2
    need = 4 * len(FILES["lvis_v1_train.json.zip"]) + 2 * len(FILES["train2017.zip"])
    assert need > 20_000 and not server.requests
    said = capsys.readouterr().err
    assert not lacks(said, "data needs", f"{need / 1e9:.1f} GB", "0.0 GB")


def test_what_is_in_the_coco_folder_or_unpacked_already_needs_no_room(small, tmp_path):
    rows = downloads.load().find("lvis_v1")
    archive, images = (len(FILES[name]) for name in ("lvis_v1_train.json.zip", "train2017.zip"))
    assert obtain.space(rows, None) == 4 * archive + 2 * images
    for i in range(3):
        put_file(f"data/lvis_v1/.train2017.part/{i}.jpg", bytes(2000))
    assert obtain.space(rows, None) == 4 * archive + 2 * images - 6000
    put_file("coco/train2017.zip", FILES["train2017.zip"])
    assert obtain.space(rows, tmp_path / "coco") == 4 * archive + images - 6000
    put_file("coco/train2017/1.jpg", b"1")
    assert obtain.space(rows, tmp_path / "coco") == 5 * archive


def test_the_list_says_what_is_there(small, capsys):
    run("pretrained")
    put_file("data/downloads/train2017.zip.part", bytes(2_000_000))
    capsys.readouterr()
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    states = {
        w[1]: " ".join(w[4:])
        for line in lines
        if len(w := line.split()) > 4 and w[0] in downloads.load().sets
    }
    assert states == {
        "lvis_v1_train.json.zip": "missing",
        "train2017.zip": "2 MB there",
        "resnet50.pth": "there",
    }
