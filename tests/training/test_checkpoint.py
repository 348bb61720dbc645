"""What is taken for a whole checkpoint, and what a full disk leaves."""

import errno
import logging
import os
import resource
import subprocess

import pytest
import torch
from facts import lacks
from mmengine.fileio import LocalBackend
from toy_training import attempt, fault, results

from seesaw.errors import UserError
from seesaw.training.checkpoint import checkpoints, durable, newest
from seesaw.workflow.used_code import TRAINING_ROOTS, code_modules


def save(work, *numbers):
    for number in numbers:
        torch.save({"weights": torch.arange(1000.0) + number}, work / f"iter_{number}.pth")


def test_newest_is_by_number_and_other_files_do_not_count(tmp_path):
    assert newest(tmp_path / "none") is None
    save(tmp_path, 900, 1000, 20)
    for name in ("iter_2000.txt", ".iter_3000.pth.part", "iter_x.pth", "iter_.pth"):
        (tmp_path / name).write_bytes(b"")
    assert newest(tmp_path).name == "iter_1000.pth"
    assert [p.name for p in checkpoints(tmp_path)] == [f"iter_{n}.pth" for n in (20, 900, 1000)]


def truncate(content):
    return content[: len(content) // 2]


def flip(content):
    """One bit, in the middle of the weights."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [truncate, flip, lambda content: content[:-1], lambda _: b""])
def test_a_broken_newest_falls_back_with_one_warning(tmp_path, caplog, damage):
    save(tmp_path, 10, 20)
    last = tmp_path / "iter_20.pth"
    last.write_bytes(damage(last.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert newest(tmp_path).name == "iter_10.pth"
    (warning,) = caplog.messages
    assert warning.startswith(f"{last} ")
    first = tmp_path / "iter_10.pth"
    first.write_bytes(damage(first.read_bytes()))
    assert newest(tmp_path) is None


def test_a_newest_that_cannot_be_read_is_not_taken_for_broken(tmp_path):
    save(tmp_path, 10)
    last = tmp_path / "iter_20.pth"
    last.symlink_to(last.name)  # a circle, which not even root can read
    with pytest.raises(UserError, match=r"iter_20\.pth cannot be read"):
        newest(tmp_path)
    last.unlink()
    last.symlink_to("gone")
    assert newest(tmp_path).name == "iter_10.pth"


def test_durable_replaces_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a"
    with durable(path) as part:
        part.write_bytes(b"1")
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), durable(path) as part:
        part.write_bytes(b"2")
        raise ZeroDivisionError
    assert path.read_bytes() == b"1"
    assert list(path.parent.iterdir()) == [path]
    with (
        pytest.raises(UserError, match="/dev/full/a "),
        durable(type(path)("/dev/full/a")),
    ):
        pass


def test_a_full_disk_is_told_and_leaves_no_broken_checkpoint(tmp_path):
    def small():
        write = LocalBackend.put

        def put(*arguments):  # the kernel refuses the rest of the checkpoint; logs go on
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
            try:
                write(*arguments)
            finally:
                infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.setrlimit(resource.RLIMIT_FSIZE, infinite)

        LocalBackend.put = put

    assert attempt(tmp_path, patch=small) == 2
    lines = (tmp_path / "log.0").read_text().splitlines()
    (sentence,) = [line for line in lines if line.startswith("UserError: ")]
    assert not lacks(sentence, "iter_5.pth", os.strerror(errno.EFBIG))
    work = tmp_path / "work"
    assert not checkpoints(work) and not list(work.glob(".*.part"))
    assert attempt(tmp_path) == 0
    # the two newest are kept, and no others
    assert [p.name for p in checkpoints(work)] == ["iter_25.pth", "iter_30.pth"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_disk_that_fills_up_costs_one_interval_at_most(tmp_path):
    """A disk of 1 MB, full when the third checkpoint is due, with room again for the next try."""
    work = tmp_path / "cut/work"
    work.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(work)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no mounts here")
    try:
        assert attempt(tmp_path / "whole") == 0
        assert attempt(tmp_path / "cut", hooks=fault(12, "fill")) == 2
        lines = (tmp_path / "cut/log.0").read_text().splitlines()
        assert not lacks(lines[-1], "UserError: ", os.strerror(errno.ENOSPC))
        assert not list(work.glob(".*.part"))
        assert newest(work).name == "iter_10.pth" and len(checkpoints(work)) == 2
        (work / "filler").unlink()
        assert attempt(tmp_path / "cut") == 0
        assert results(tmp_path / "cut") == results(tmp_path / "whole")
    finally:
        subprocess.run(["umount", str(work)], check=True)


def test_an_edit_of_how_a_training_is_saved_or_stopped_does_not_start_it_anew():
    counted = set(code_modules(TRAINING_ROOTS))
    assert {f"seesaw.training.{name}" for name in ("train", "loop", "batches")} <= counted
    assert not {"seesaw.training.checkpoint", "seesaw.training.deadline"} & counted
