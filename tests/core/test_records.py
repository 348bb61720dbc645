"""Records hold what was used, no secret, and are whole or absent."""

import errno
import hashlib
import json
import os
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from facts import lacks
from repository import python

from seesaw.core import provenance
from seesaw.core import records as pv
from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.integrity import corrupted
from seesaw.errors import UserError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"


def git(repo: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    run = ["git", "-C", str(repo), *identity, *arguments]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "a.py").write_text("x = 1\n")
    (repo / "requirements.lock").write_text("abc")
    (repo / ".gitignore").write_text("results/\n")
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "first")
    return repo


@pytest.fixture
def artefact(repo: Path) -> Path:
    path = repo / "results" / "metrics.json"
    path.parent.mkdir()
    path.write_text("abc")
    return path


def read(artefact: Path) -> dict:
    return json.loads(pv.provenance_path(artefact).read_text())


def test_sha256_streams(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    (tmp_path / "zeros").write_bytes(b"")
    os.truncate(tmp_path / "zeros", 5_000_001)
    assert sha256_file(tmp_path / "abc") == ABC
    assert sha256_file(tmp_path / "zeros") == hashlib.sha256(bytes(5_000_001)).hexdigest()


def test_record_holds_what_was_used(repo, artefact, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/seesaw", "train", "a01"])
    source = repo / "results" / "manifest.json"
    source.write_text("abc")
    inputs = {"data": source}
    facts = {"fingerprint": "f0", "config_hash": "c0", "seed": 3, "attempt": 2}
    with provenance.Provenance(artefact, inputs=inputs, root=repo, **facts) as p:
        source.write_text("changed by the work")
        artefact.write_text("made")
        p.facts["wandb_run"] = "r1"
    got = read(artefact)
    assert got["artefact"] == {
        "path": artefact.as_posix(),
        "bytes": 4,
        "sha256": hashlib.sha256(b"made").hexdigest(),
    }
    assert got["inputs"] == {"data": {"path": source.as_posix(), "bytes": 3, "sha256": ABC}}
    assert got["command"] == ["seesaw", "train", "a01"]
    assert got["git"] == {"commit": git(repo, "rev-parse", "HEAD")}
    assert got["lock"] == ABC
    assert got["versions"]["torch"] == version("torch")
    assert got["versions"]["numpy"] == version("numpy")
    assert {k: got[k] for k in (*facts, "wandb_run")} == facts | {"wandb_run": "r1"}
    assert got["duration"] >= 0 and got["start"].endswith("+00:00") and got["host"]
    assert got["device"]
    assert pv.fault(artefact) is None
    artefact.write_text("damaged")
    assert not lacks(pv.fault(artefact), artefact, "`seesaw train a01`")


@pytest.mark.parametrize(("processes", "used"), [({}, 1), ({"WORLD_SIZE": "16"}, 16)])
def test_the_device_is_the_gpus_that_the_job_uses(repo, artefact, monkeypatch, processes, used):
    visible = dict(
        is_available=lambda: True, device_count=lambda: 8, get_device_name=lambda: "NVIDIA H200"
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(**visible)))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    for name, value in processes.items():
        monkeypatch.setenv(name, value)
    provenance.record(artefact, root=repo)
    assert read(artefact)["device"] == f"{used} x NVIDIA H200"


@pytest.mark.parametrize(
    ("before", "seconds"), [(0, 90.0), (500, 180.0), (900, 900.0), (990, None), (1000, None)]
)
def test_a_resumed_detections_time_is_no_multiple_of_its_start(before, seconds):
    """A minute to load the model, for the last few of 20,000 images, would become days."""
    record = {"duration": 90.0, "images": 1000, "images_before": before}
    assert pv.recorded_seconds(record) == pytest.approx(seconds)


def test_several_artefacts_and_plain_record(repo, artefact):
    other = artefact.with_name("table.md")
    other.write_text("abc")
    provenance.record(artefact, other, root=repo, device="GPU")
    assert read(artefact)["artefact"]["sha256"] == read(other)["artefact"]["sha256"] == ABC
    assert read(other)["device"] == "GPU" and read(other)["seed"] is None
    assert read(other)["inputs"] == {}


def test_dirty_hash_follows_the_sources(repo):
    def dirty() -> str | None:
        return provenance.git_state(repo).get("dirty")

    assert dirty() is None
    (repo / "results").mkdir()
    (repo / "results" / "ignored.py").write_text("")
    (repo / "photo.jpg").write_text("untracked data")
    assert dirty() is None
    (repo / "a.py").write_text("x = 2\n")
    edited = dirty()
    (repo / "new.py").write_text("y = 1\n")
    added = dirty()
    (repo / "new.py").write_text("y = 2\n")
    assert len({None, edited, added, dirty()}) == 4
    git(repo, "add", "a.py")  # staged or not, the same change
    (repo / "new.py").unlink()
    assert dirty() == edited
    (repo / "sub").mkdir()
    assert provenance.git_state(repo / "sub") == provenance.git_state(repo)


def test_outside_git_and_before_the_first_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert provenance.git_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state(tmp_path) is None


@pytest.mark.parametrize(
    "other",
    [
        {"versions": ["torch"]},
        {"git": "c0ffee"},
        {"start": 2024},
        {"start": "May"},
        {"attempt": "two"},
    ],
)
def test_a_record_with_a_value_of_another_kind_is_damaged(repo, artefact, other):
    provenance.record(artefact, root=repo)
    path = pv.provenance_path(artefact)
    path.write_text(json.dumps(json.loads(path.read_text()) | other))
    assert pv.record_of(artefact) is None
    assert str(path) in pv.fault(artefact)


@pytest.mark.parametrize("place", [Path.mkdir, lambda path: path.symlink_to(path.name)])
def test_what_is_no_file_in_an_artefacts_place_is_a_fault(repo, artefact, place):
    provenance.record(artefact, root=repo)
    artefact.unlink()
    place(artefact)
    assert corrupted([artefact]).startswith(f"{artefact} cannot be read")


def test_a_damaged_committed_file_is_restored_from_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("reference/mini/metrics.json")
    path.parent.mkdir(parents=True)
    write_atomic(path, "made")
    provenance.record(path)
    write_atomic(path, "damaged")
    assert f"`git checkout -- '{path}*'`" in pv.fault(path)
    pv.provenance_path(path).write_text("{")
    assert f"`git checkout -- '{path}*'`" in pv.fault(path)


def test_no_lock_is_none(tmp_path):
    (tmp_path / "a").write_text("abc")
    provenance.record(tmp_path / "a", root=tmp_path)
    assert read(tmp_path / "a")["lock"] is None


def test_planted_secrets_are_nowhere(repo, artefact, monkeypatch):
    planted = {"WANDB_API_KEY": "k3y-0123456789", "AWS_SECRET_ACCESS_KEY": 'quo"ted\\s3cret'}
    for name, value in {**planted, "HARMLESS": "not-in-the-file"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["seesaw", f"--key={planted['WANDB_API_KEY']}", "train"])
    url = f"s3://{planted['AWS_SECRET_ACCESS_KEY']}@host"
    provenance.record(artefact, root=repo, remote={"urls": [url]}, where=Path(url))
    provenance.write_failure(artefact, OSError(f"cannot reach {url}"))
    assert read(artefact)["command"] == ["seesaw", "--key=***", "train"]
    assert read(artefact)["remote"] == {"urls": ["s3://***@host"]}
    for path in (pv.provenance_path(artefact), pv.failure_path(artefact)):
        text = path.read_text()
        assert "***" in text and "k3y" not in text and "s3cret" not in text
        assert "not-in-the-file" not in text and "HARMLESS" not in text


def test_failure_is_recorded_and_cleared_at_the_next_start(repo, artefact):
    failed = pv.failure_path(artefact)
    with (
        pytest.raises(ValueError, match="nan"),
        provenance.Provenance(artefact, root=repo, attempt=2),
    ):
        raise ValueError("nan")
    got = pv.read_record(failed)
    assert (got["type"], got["error"], got["attempt"]) == ("ValueError", "nan", 2)
    assert not pv.provenance_path(artefact).exists()
    with provenance.Provenance(artefact, root=repo):
        assert not failed.exists()
    assert read(artefact)["artefact"]["sha256"] == ABC and not failed.exists()


def test_an_interruption_is_no_failure(repo, artefact):
    with pytest.raises(KeyboardInterrupt), provenance.Provenance(artefact, root=repo):
        raise KeyboardInterrupt
    assert sorted(artefact.parent.iterdir()) == [artefact]


def test_missing_input_or_artefact(repo, artefact):
    gone = os.strerror(errno.ENOENT)
    with pytest.raises(UserError, match=f"gone .*{gone}"):
        provenance.record(artefact, "gone", root=repo)
    with pytest.raises(UserError, match=f"none .*{gone}"):
        provenance.record(artefact, inputs={"data": "none"}, root=repo)
    assert sorted(artefact.parent.iterdir()) == [artefact]


def test_failure_in_a_folder_not_yet_made(tmp_path):
    path = provenance.write_failure(tmp_path / "run" / "model.pth", "memory")
    assert pv.read_record(path)["error"] == "memory"
    assert pv.read_record(path)["type"] is None
    assert pv.read_record(tmp_path / "none") is None
    for text in ("[1]", '{"error": "x'):
        path.write_text(text)
        assert pv.read_record(path) is None


def test_a_full_disk_leaves_the_old_record_whole(tmp_path):
    """The kernel refuses bytes after the 1,000th of a file: the write ends half-way."""
    path = tmp_path / "r.json"
    write_atomic(path, "old")
    code = "import sys; from pathlib import Path; from seesaw.core.files import write_atomic\n"
    code += "write_atomic(Path(sys.argv[1]), 'n' * int(sys.argv[2]))"

    def write(size: int) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-B", "-c", code, str(path), str(size)],
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        )

    failed = write(5000)
    assert failed.returncode == 1 and os.strerror(errno.EFBIG) in failed.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert write(900).returncode == 0
    assert path.read_text() == "n" * 900


def test_a_name_may_have_as_many_bytes_as_the_file_system_takes(tmp_path):
    path = tmp_path / f"{'象' * 83}.json"  # 254 of 255
    write_atomic(path, "whole")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["whole"]


def test_killed_work_leaves_no_record_and_is_counted(repo, artefact):
    code = "import os, sys; from seesaw.core.provenance import Provenance\n"
    code += "with Provenance(sys.argv[1]): os.kill(os.getpid(), 9)"
    for _ in range(2):
        python(repo, "-c", code, artefact, code=-9)
    assert list(artefact.parent.iterdir()) == [artefact]
    with provenance.Provenance(artefact, root=repo):
        pass
    assert read(artefact)["attempt"] == 3
    provenance.record(artefact, root=repo)  # made again: a first attempt
    assert read(artefact)["attempt"] == 1


def test_another_fingerprint_is_other_work(repo, artefact):
    for fingerprint, attempt in (("a", 1), ("a", 2), ("b", 1)):
        with (
            pytest.raises(ValueError),
            provenance.Provenance(artefact, root=repo, fingerprint=fingerprint),
        ):
            raise ValueError("no")
        got = pv.read_record(pv.failure_path(artefact))
        assert (got["attempt"], got["fingerprint"]) == (attempt, fingerprint)


def test_one_process_of_several_writes(repo, artefact):
    code = "import sys; from seesaw.core.provenance import record; record(sys.argv[1])"
    python(repo, "-c", code, artefact, RANK="1")
    assert not pv.provenance_path(artefact).exists() and not (repo / ".cache").exists()
