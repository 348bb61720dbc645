"""A real detection, killed or stopped in the middle: the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seesaw.evaluation import replicates, resample

pytestmark = pytest.mark.slow
CLI = ["-m", "seesaw.cli"]


def start(root: Path, *arguments: str, **options) -> subprocess.Popen:
    command = [sys.executable, *CLI, *arguments, "--scale", "smoke"]
    return subprocess.Popen(command, cwd=root, text=True, stdout=-1, stderr=-1, **options)


def run(root: Path, *arguments: str) -> None:
    process = start(root, *arguments)
    _, said = process.communicate()
    assert process.returncode == 0, said[-2000:]


@pytest.fixture(scope="module")
def root(smoke_root) -> Path:
    run(smoke_root, "train", "a01", "--fingerprint", "a")
    run(smoke_root, "detect", "a01")
    return smoke_root


def output(root: Path) -> Path:
    return root / "results/smoke/a01_mask_rcnn/seed0/a01_mask_rcnn/detections.jsonl"


def test_killed_in_the_middle_and_started_again(root):
    path = output(root)
    whole = path.read_bytes()
    path.unlink()
    killed = start(root, "detect", "a01")
    parts: list[Path] = []
    while killed.poll() is None and not any(s.read_bytes().count(b"\n") > 2 for s in parts):
        parts = list(path.parent.glob(".*.part"))
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    (part,) = parts
    lines = part.read_bytes().count(b"\n")
    assert 2 < lines < whole.count(b"\n")
    inode = part.stat().st_ino
    again = start(root, "detect", "a01")
    kept = b""
    while again.poll() is None:
        if part.exists() and part.stat().st_ino == inode:
            kept = kept or part.read_bytes()
        time.sleep(0.01)
    again.communicate()
    assert again.returncode == 0
    assert kept.count(b"\n") >= lines  # the first images were not made again
    assert path.read_bytes() == whole


def test_stopped_at_each_deadline_and_by_a_signal_to_all_its_processes(root):
    path = output(root)
    whole = path.read_bytes()
    path.unlink()
    for done in (1, 2):
        stopped = start(root, "detect", "a01", "--deadline", "0.001")
        _, said = stopped.communicate()
        assert stopped.returncode == 75, said[-2000:]
        sentence = f"seesaw detect: stopped by the deadline after image {done} of "
        assert sentence in said.splitlines()[-1]
    record = root / "work/smoke/detect/a01_mask_rcnn/seed0/interrupted.json"
    images = whole.count(b"\n")
    assert json.loads(record.read_text()) == dict(done=2, total=images, reason="the deadline")
    (part,) = path.parent.glob(".*.part")
    stopped = start(root, "detect", "a01", "--workers", "2", start_new_session=True)
    while stopped.poll() is None and part.read_bytes().count(b"\n") < 4:
        time.sleep(0.01)
    os.killpg(stopped.pid, signal.SIGTERM)
    _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == 75, said[-2000:]
    assert not path.exists() and not list(path.parent.glob("*.failed.json"))
    run(root, "detect", "a01")
    assert path.read_bytes() == whole
    assert not record.exists() and not part.exists()


def test_the_kept_matches_give_the_standard_errors_of_the_metrics(root):
    run(root, "evaluate", "a01")
    folder = output(root).parent
    metrics = json.loads((folder / "metrics.json").read_text())
    first = (folder / "matches.npz").read_bytes()
    drawn = replicates.load(folder / "replicates.json", metrics).drawn
    rankings = resample.load(folder / "matches.npz")
    for name, kind, column in (("AP_c", "segm", 2), ("AP_box", "bbox", 0)):
        expected = 100 * resample.replicates(rankings[kind])[:, column]
        assert drawn[name] == pytest.approx(expected, abs=1e-3, nan_ok=True)
    for kind, ranking in rankings.items():
        expected = resample.report(resample.scores(ranking), resample.replicates(ranking))
        assert metrics["standard_errors"][kind] == expected
        estimate = metrics["standard_errors"][kind]["AP"]["estimate"]
        assert estimate == pytest.approx(metrics[kind]["AP"], abs=1e-12)
        assert len(metrics["per_category"][kind]) == len(ranking.groups)
    run(root, "evaluate", "a01")
    assert (folder / "matches.npz").read_bytes() == first
