"""The fetcher against a server that cuts, lies, stalls and refuses: what arrives is the file."""

import errno
import fcntl
import hashlib
import os
import random
import resource
from dataclasses import replace

import pytest

from seesaw.data.download.fetch import Patience, fetch, verify
from seesaw.errors import UserError
from seesaw.spec.downloads import Remote

BODY = random.Random(0).randbytes(3_000_000)
QUICK = Patience(cuts=3, pause=0.01)
BUSY = [{"status": s, "headers": {"Retry-After": t}} for s, t in ((503, "0"), (429, "²"))]


@pytest.fixture(autouse=True)
def served(server, root):
    """The file at two of the server's addresses; it goes into an empty repository."""
    server.files |= {"a": BODY, "b": BODY}


def remote(*urls, **facts):
    digest = hashlib.sha256(BODY).hexdigest()
    given = dict(name="weights.pth", set="pretrained", address="a", bytes=len(BODY), sha256=digest)
    return Remote(**given | {"urls": urls} | facts)


def fetched(*urls, patience=QUICK, **facts):
    file = remote(*urls, **facts)
    seen = []
    fetch(file, seen.append, patience)
    assert file.path.read_bytes() == BODY
    assert sorted(p.name for p in file.path.parent.iterdir()) == ["weights.pth"]
    return seen


def test_a_file_arrives_with_its_progress(server):
    seen = fetched(server.url + "a")
    assert seen[-1] == len(BODY) and seen == sorted(seen)
    assert server.ranges("a") == [None]


@pytest.mark.parametrize(
    ("faults", "asked"),
    [
        ([{"cut": 1_000_000}, {"cut": 2_500_000}], [None, "bytes=1000000-", "bytes=2500000-"]),
        ([{"cut": 1_000_000}, {"ranges": False}], [None, "bytes=1000000-"]),
        ([{"cut": 1_000_000}, {"shift": 5}], [None, "bytes=1000000-", None]),  # not appended
        (BUSY, [None] * 3),
    ],
    ids=["cut", "ranges ignored", "another range", "busy"],
)
def test_a_cut_goes_on_where_it_was_or_else_from_the_start(server, faults, asked):
    server.faults["a"] = [*faults]
    fetched(server.url + "a")
    assert server.ranges("a") == asked


def test_a_later_run_goes_on_where_the_first_was_cut(server):
    server.faults["a"] = [{"cut": 700_000}] + [{"status": 503}] * 3
    file = remote(server.url + "a")
    with pytest.raises(UserError, match=r"503.* 700,000 bytes .*`seesaw"):
        fetch(file, patience=QUICK)
    assert not file.path.exists()
    fetched(server.url + "a")
    assert server.ranges("a")[-1] == "bytes=700000-"


def test_cuts_without_a_byte_end_an_address_and_the_mirror_goes_on(server):
    server.faults["a"] = [{"cut": 1_000_000}] + [{"cut": 0}] * 9
    fetched(server.url + "a", server.url + "b")
    assert len(server.ranges("a")) == 3 and server.ranges("b") == ["bytes=1000000-"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 404}, r"\b404\b"),
        ({"content": b"x" + BODY[1:]}, "sha256 [0-9a-f]{16}…"),
        ({"length": 5_000_000}, r"\b5,000,000 .*\b3,000,000\b"),
        ({"content": BODY + b"more", "chunked": True}, r"\b3,000,000\b"),
        ({"status": 302, "headers": {"Location": "http://[a/b"}}, "valid address"),
        ({"status": 302, "headers": {"Location": f"http://{'a' * 70}.org/b"}}, "valid address"),
    ],
)
def test_a_wrong_file_is_refused_and_the_mirror_tried(server, root, fault, said):
    server.faults["a"] = [fault] * 9
    with pytest.raises(UserError, match=f"^weights.pth .*{said}"):
        fetch(remote(server.url + "a"), patience=QUICK)
    assert not list(root.glob("data/pretrained/*.part"))
    fetched(server.url + "a", server.url + "b")
    assert server.ranges("b") == [None]
    assert len(server.ranges("a")) == 2  # once a run: no retry can mend it


def test_wrong_bytes_after_a_cut_elsewhere_cost_one_more_try(server):
    """Whose bytes were wrong is unknown, so the whole file is asked of one address alone."""
    server.faults["a"] = [{"cut": 9, "content": b"y" + BODY[1:]}] + [{"cut": 0}] * 9
    fetched(server.url + "a", server.url + "b")
    assert server.ranges("b") == ["bytes=9-", None]


def test_silence_is_a_cut(server):
    server.faults["a"] = [{"pause": 600}]
    fetched(server.url + "a", patience=replace(QUICK, silence=0.2, cuts=99))
    assert len(server.ranges("a")) > 1  # a busy machine may be silent again


def test_a_slow_server_is_left_for_a_mirror_but_kept_if_it_is_the_only_one(server):
    slow = replace(QUICK, window=0.05, rate=1e6)
    server.faults["a"] = [{"pause": 0.5}]
    fetched(server.url + "a", server.url + "b", patience=slow)
    assert server.ranges("b")[0].startswith("bytes=")
    remote(server.url).path.unlink()
    server.faults["a"], before = [{"pause": 0.03}], len(server.ranges("a"))
    fetched(server.url + "a", patience=slow)
    assert len(server.ranges("a")) == before + 1


def test_nobody_answers():
    file = remote("http://127.0.0.1:9/a")
    with pytest.raises(UserError, match=r"refused.* data/pretrained\b.*/downloads\.yaml\b"):
        fetch(file, patience=QUICK)


@pytest.mark.parametrize("left", [BODY + b"!", b"z" * len(BODY)], ids=["too long", "another file"])
def test_a_part_that_is_none_of_the_file_is_thrown_away(server, left):
    file = remote(server.url + "a")
    file.path.parent.mkdir(parents=True)
    file.path.with_name("weights.pth.part").write_bytes(left)
    fetched(server.url + "a")
    assert server.ranges("a") == [None]


def test_without_a_known_size_the_digits_of_the_name_decide(server):
    digits = hashlib.sha256(BODY).hexdigest()[:8]
    server.faults["a"] = [{"cut": 10}]
    name = f"w-{digits}.pth"
    file = Remote(name=name, set="zoo", address="a", urls=[server.url + "a"])
    fetch(file, patience=QUICK)
    assert file.sha256 == digits and file.path.read_bytes() == BODY
    assert verify(file.path, file) and not verify(file.path, remote("u", sha256="0" * 64))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"endless": True}, r"\b4,000,000\b"),
        ({"length": 10**13}, r"\b10,000,000,000,000\b"),
        ({"content": bytes(4_000_001), "chunked": True}, r"\b4,000,000\b"),
    ],
)
def test_a_file_of_unknown_size_has_a_limit_and_the_mirror_is_tried(server, root, fault, said):
    server.faults["a"] = [fault] * 9
    digits, patience = hashlib.sha256(BODY).hexdigest()[:8], replace(QUICK, most=4_000_000)
    options = dict(name=f"w-{digits}.pth", set="zoo", address="a")
    part = root / f"data/zoo/w-{digits}.pth.part"
    with pytest.raises(UserError, match=said):
        fetch(Remote(**options, urls=[server.url + "a"]), patience=patience)
    assert not part.exists()
    part.write_bytes(bytes(4_000_001))  # of an earlier version, which had no limit
    both = Remote(**options, urls=[server.url + "a", server.url + "b"])
    assert fetch(both, patience=patience) == hashlib.sha256(BODY).hexdigest()
    assert both.path.read_bytes() == BODY and not part.exists()
    assert server.ranges("b") == [None] and len(server.ranges("a")) == 2


def test_no_secret_of_an_address_is_reported(server):
    where = server.url.removeprefix("http://")
    signed = f"{server.url}b?X-Amz-Signature=5ecre7&part=1&token=70ken"
    urls = [f"http://me:p%40ss@{where}none", f"http://me:p/ss@{where}none", signed]
    with pytest.raises(UserError) as error:
        fetch(remote(*urls), patience=QUICK)
    said = str(error.value)
    assert not [s for s in ("p%40ss", "p/ss", "me:", "5ecre7", "70ken") if s in said]
    assert f"{server.url}b?" in said and "part=1" in said and "404" in said


def test_two_downloads_of_one_file_do_not_meet(server):
    file = remote(server.url + "a")
    file.path.parent.mkdir(parents=True)
    with (file.path.parent / ".weights.pth.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another process"):
            fetch(file, patience=QUICK)
    fetched(server.url + "a")


def test_a_full_disk_is_reported(server):
    """The kernel refuses all bytes of a file after the millionth."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(UserError, match=rf"weights\.pth .*{os.strerror(errno.EFBIG)}"):
            fetch(remote(server.url + "a"), patience=QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fetched(server.url + "a")
    assert server.ranges("a") == [None, "bytes=1000000-"]
