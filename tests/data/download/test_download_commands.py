"""`seesaw download` on a small copy of the table, served on loopback."""

import hashlib
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml
from facts import lacks

from seesaw.cli import main
from seesaw.core import paths
from seesaw.data.download import obtain
from seesaw.errors import UserError
from seesaw.spec import downloads
from seesaw.spec.scales import Scale

WEIGHTS = b"weights of a backbone"
ANNOTATIONS = {
    "images": [{"id": 1}, {"id": 2}],
    "categories": [{"id": 1}],
    "annotations": [
        {"id": 7, "area": 9.0, "bbox": [0, 0, 3, 3]},
        {"id": 8, "area": 0.2, "bbox": [0, 0, 0.5, 3]},
    ],
}


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


IMAGES = {f"train2017/{i:012}.jpg": bytes([i]) * 2000 for i in range(5)}
FILES = {
    "lvis_v1_train.json.zip": zipped({"lvis_v1_train.json": json.dumps(ANNOTATIONS)}),
    "train2017.zip": zipped({"train2017/": b"", **IMAGES, "__MACOSX/train2017/._1.jpg": b"no"}),
    "resnet50.pth": WEIGHTS,
}
MORE = {
    "lvis_v1_train.json.zip": {
        "makes": "annotations/lvis_v1_train.json",
        "counts": {"images": 2, "annotations": 2, "categories": 1},
        "invalid": [7],
    },
    "train2017.zip": {"makes": "train2017", "counts": {"files": 5}},
    "resnet50.pth": {"checkpoint": "torchvision://resnet50"},
}


@pytest.fixture
def small(root, server):
    """A repository whose table of downloads points at the server."""
    shutil.copytree(REPOSITORY / "configs", root / "configs")
    server.files |= FILES
    rows = {
        name: {
            "address": "loopback",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            **MORE[name],
        }
        for name, content in FILES.items()
    }
    pretrained = {"resnet50.pth": rows.pop("resnet50.pth")}
    content = {
        "addresses": {"loopback": [server.url]},
        "sets": {"lvis_v1": rows, "pretrained": pretrained},
    }
    (root / "configs/downloads.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return root


REPOSITORY = paths.ROOT.resolve()
RECORD = Path("data/downloads/lvis_v1.json")


def run(*words):
    return main.main(["download", *words, "--scale", "paper"])


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
    assert not lacks(said, "1 annotations have no usable box (8)", "beside these: 7")
    record, asked = RECORD.read_bytes(), len(server.requests)
    assert run() == 0
    assert RECORD.read_bytes() == record and len(server.requests) == asked == 3


def test_archives_can_be_kept_and_parts_named(small, server):
    assert run("train", "--keep") == 0
    assert Path("data/downloads/train2017.zip").read_bytes() == FILES["train2017.zip"]
    assert not RECORD.exists()  # the set is not whole
    assert [path for path, _ in server.requests] == ["train2017.zip"]


def test_small_scales_need_nothing(small, server, capsys):
    assert main.main(["download", "--scale", "mini"]) == 0
    assert "needs nothing from the network" in capsys.readouterr().out and not server.requests
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


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (
            lambda: Path("site.yaml").write_text("coco: /no/such/place\n"),
            ["site.yaml", "coco is '/no/such/place'", "no folder"],
        ),
        (
            lambda: _file("data/lvis_v1/train2017/1.jpg", b"1"),
            ["data/lvis_v1/train2017", "1 files, not 5 files", "`seesaw download lvis_v1`"],
        ),
        (
            lambda: _file("data/downloads/train2017.zip", b"1"),
            ["data/downloads/train2017.zip", "sha256", "delete it", "`seesaw download lvis_v1`"],
        ),
        (
            lambda: _file("data/pretrained/resnet50.pth", b"1"),
            ["data/pretrained/resnet50.pth", "sha256", "delete it", "`seesaw download pretrained`"],
        ),
        (
            lambda: _file("data/lvis_v1/annotations/lvis_v1_train.json", b"{}"),
            [
                "data/lvis_v1/annotations/lvis_v1_train.json",
                "0 images, 0 annotations, 0 categories",
                "not 2 images, 2 annotations, 1 categories",
                "`seesaw download lvis_v1`",
            ],
        ),
    ],
)
def test_what_is_there_already_but_wrong_is_reported(small, change, facts, capsys):
    change()
    assert run() == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("seesaw download: ") and not lacks(sentence, *facts)


def _file(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


def test_weights_in_torchs_cache_are_copied(small, server):
    _file("torch/hub/checkpoints/resnet50.pth", WEIGHTS)
    assert run("pretrained") == 0
    assert Path("data/pretrained/resnet50.pth").read_bytes() == WEIGHTS and not server.requests


def test_another_file_of_that_name_in_torchs_cache_is_passed_over(small, server, capsys):
    _file("torch/hub/checkpoints/resnet50.pth", b"other" * 9)
    assert run("pretrained") == 0
    assert "another sha256): passed over" in capsys.readouterr().out and len(server.requests) == 1


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
    with pytest.raises(UserError, match="holds 4 files of train2017, but 5 are expected; delete"):
        obtain.obtain(remote, None)
    assert not remote.made.exists()


def test_a_damaged_archive_is_reported(small):
    remote = downloads.load().find("train")[0]
    broken = bytearray(FILES["train2017.zip"])
    broken[broken.index(IMAGES["train2017/000000000002.jpg"][:50]) + 9] ^= 1
    _file(remote.path, bytes(broken))
    remote = remote.model_copy(update={"sha256": hashlib.sha256(broken).hexdigest()})
    with pytest.raises(UserError, match=re.escape("is damaged (Bad CRC-32 for file 'train2017")):
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
    assert said.startswith(f"seesaw download: data needs {need / 1e9:.1f} GB, but 0.0 GB are free")


def test_the_list_says_what_is_there(small, capsys):
    run("pretrained")
    _file("data/downloads/train2017.zip.part", bytes(2_000_000))
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


@pytest.fixture
def named(small, server):
    """A file of which only the digits in its name are known."""
    name = f"w-{hashlib.sha256(WEIGHTS).hexdigest()[:8]}.pth"
    path = small / "configs/downloads.yaml"
    table = yaml.safe_load(path.read_text())
    table["sets"]["zoo"] = {name: {"address": "loopback"}}
    path.write_text(yaml.safe_dump(table, sort_keys=False))
    server.files[name] = WEIGHTS
    return name


def test_the_first_downloads_whole_hash_is_kept(named, server, capsys):
    whole, lock = hashlib.sha256(WEIGHTS).hexdigest(), Path("configs/downloads.lock.yaml")
    assert downloads.load().find("zoo")[0].sha256 == whole[:8]
    assert run("zoo", "--list") == 0 and "8 of 64 digits" in capsys.readouterr().out
    assert run("zoo") == 0
    assert not lacks(capsys.readouterr().out, "8 of 64 digits", "sha256", lock)
    assert yaml.safe_load(lock.read_text()) == {"files": {named: whole}}
    assert downloads.load().find("zoo")[0].sha256 == whole
    assert (
        json.loads(Path("data/downloads/zoo.json").read_text())["files"][named]["sha256"] == whole
    )
    before = lock.read_bytes()
    assert run("zoo") == 0 and lock.read_bytes() == before
    assert "8 of 64" not in capsys.readouterr().out


def test_another_file_with_the_same_digits_is_refused(named, server, capsys):
    lock, kept = Path("configs/downloads.lock.yaml"), named[2:10] + "0" * 56
    lock.write_text(f"files:\n  {named}: {kept}\n")
    assert run("zoo") == 2
    assert f"not {kept[:16]}" in capsys.readouterr().err
    _file(f"data/zoo/{named}", WEIGHTS)
    assert run("zoo") == 2
    assert f"data/zoo/{named} is not the file of {lock} (another" in capsys.readouterr().err
    with pytest.raises(UserError, match=f"{lock} says {kept}"):
        downloads.keep_hash(named, hashlib.sha256(WEIGHTS).hexdigest())
    assert lock.read_text() == f"files:\n  {named}: {kept}\n"


OTHER = f"# kept\nfiles:\n  other.pth: {'1' * 64}\n"


@pytest.mark.parametrize("content", [None, "", "files:\n", OTHER])
def test_the_file_of_hashes_may_be_empty(named, content):
    lock = Path("configs/downloads.lock.yaml")
    lock.unlink() if content is None else lock.write_text(content)
    assert run("zoo") == 0
    assert yaml.safe_load(lock.read_text())["files"][named].startswith(named[2:10])


def test_a_hash_that_is_not_of_the_name_is_reported(named, capsys):
    Path("configs/downloads.lock.yaml").write_text(f"files:\n  {named}: {'f' * 64}\n")
    assert run("zoo") == 2
    assert "configs/downloads.lock.yaml does not begin as" in capsys.readouterr().err


def test_an_unknown_word_is_reported(small, capsys):
    assert run("coco") == 2
    assert "'coco' names no set or file; use one of lvis_v1" in capsys.readouterr().err
