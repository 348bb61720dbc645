"""A file of which only digits are known: the whole hash of its first download is kept."""

import fcntl
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
import yaml
from downloads_cases import WEIGHTS, put_file, run
from facts import lacks

from seesaw.errors import UserError
from seesaw.spec import downloads


def test_the_first_downloads_whole_hash_is_kept(named, server, capsys):
    whole, lock = hashlib.sha256(WEIGHTS).hexdigest(), Path("configs/downloads.lock.yaml")
    assert downloads.load().find("zoo")[0].sha256 == whole[:8]
    assert run("zoo", "--list") == 0 and "8 of 64" in capsys.readouterr().out
    assert run("zoo") == 0
    assert not lacks(capsys.readouterr().out, "8 of 64", "sha256", lock)
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
    put_file(f"data/zoo/{named}", WEIGHTS)
    assert run("zoo") == 2
    assert not lacks(capsys.readouterr().err, f"data/zoo/{named}", lock)
    with pytest.raises(UserError, match=f"{lock} .*{kept}"):
        downloads.keep_hash(named, hashlib.sha256(WEIGHTS).hexdigest())
    assert lock.read_text() == f"files:\n  {named}: {kept}\n"


OTHER = f"# kept\nfiles:\n  other.pth: {'1' * 64}\n"


@pytest.mark.parametrize("content", [None, "", "files:\n", OTHER, OTHER.rstrip()])
def test_the_file_of_hashes_may_be_empty(named, content):
    lock = Path("configs/downloads.lock.yaml")
    lock.unlink() if content is None else lock.write_text(content)
    assert run("zoo") == 0
    assert yaml.safe_load(lock.read_text())["files"][named].startswith(named[2:10])


def test_two_processes_that_find_the_file_empty_write_one_list(named):
    lock = Path("configs/downloads.lock.yaml")
    lock.write_text("")
    with ThreadPoolExecutor() as pool:
        with lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            waits = pool.submit(downloads.keep_hash, named, "a" * 64)
            sleep(0.2)  # until it has opened the file
            file.write(f"files:\n  other.pth: {'b' * 64}\n")
        waits.result(timeout=10)
    assert yaml.safe_load(lock.read_text())["files"] == {"other.pth": "b" * 64, named: "a" * 64}


def test_a_hash_that_is_not_of_the_name_is_reported(named, capsys):
    Path("configs/downloads.lock.yaml").write_text(f"files:\n  {named}: {'f' * 64}\n")
    assert run("zoo") == 2
    assert not lacks(capsys.readouterr().err, "configs/downloads.lock.yaml", named)
