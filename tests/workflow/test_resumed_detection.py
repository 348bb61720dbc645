"""A real detection, killed or stopped in the middle: the same bytes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from facts import lacks
from repository import seesaw

from seesaw.core.records import record_of, recorded_seconds
from seesaw.evaluation import replicates, resample

pytestmark = pytest.mark.slow
THIRD = 3
# Detects; after its third image it sends a signal to all its processes. Prints how many it wrote.
SIGNALLED = """
import os, sys
from seesaw.cli.main import main
from seesaw.evaluation.resumable import ResumableWriter
write, written = ResumableWriter.write, []
def counted(self, *found):
    write(self, *found)
    written.append(found)
    if len(written) == int(sys.argv[1]):
        os.killpg(0, int(sys.argv[2]))
ResumableWriter.write = counted
code = main(sys.argv[3:])
print(len(written))
sys.exit(code)
"""


def signalled(root: Path, number: int, *options: str) -> subprocess.CompletedProcess:
    """A detection that gets a signal, none if it is 0, after its third image."""
    command = [sys.executable, "-c", SIGNALLED, str(THIRD), str(int(number)), "detect", "a01"]
    return subprocess.run(
        [*command, *options, "--scale", "smoke"],
        cwd=root,
        capture_output=True,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def root(smoke_root) -> Path:
    seesaw(smoke_root, "train", "a01", "--fingerprint", "a")
    seesaw(smoke_root, "detect", "a01")
    return smoke_root


def output(root: Path) -> Path:
    return root / "results/smoke/a01_mask_rcnn/seed0/a01_mask_rcnn/detections.jsonl"


def test_killed_in_the_middle_and_started_again(root):
    path = output(root)
    whole = path.read_bytes()
    path.unlink()
    killed = signalled(root, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL and not path.exists()
    (part,) = path.parent.glob(".*.part")
    images = whole.splitlines(keepends=True)
    assert part.read_bytes() == b"".join(images[:THIRD])
    again = signalled(root, 0)
    assert again.returncode == 0, again.stderr[-2000:]
    assert int(again.stdout.splitlines()[-1]) == len(images) - THIRD  # written again: the others
    assert path.read_bytes() == whole
    made = record_of(path)  # its duration is of the last attempt
    assert (made["images_before"], made["images"]) == (THIRD, len(images))
    share = (len(images) - THIRD) / len(images)
    assert recorded_seconds(made) == pytest.approx(made["duration"] / share)


def test_stopped_at_each_deadline_and_by_a_signal_to_all_its_processes(root):
    path = output(root)
    whole = path.read_bytes()
    path.unlink()
    for done in (1, 2):
        said = seesaw(root, "detect", "a01", "--deadline", "0.001", code=75).stderr
        last = said.splitlines()[-1]
        assert not lacks(last, "seesaw detect: ", "the deadline", f"image {done} of ")
    record = root / "work/smoke/detect/a01_mask_rcnn/seed0/interrupted.json"
    images = whole.count(b"\n")
    assert json.loads(record.read_text()) == dict(done=2, total=images, reason="the deadline")
    (part,) = path.parent.glob(".*.part")
    stopped = signalled(root, signal.SIGTERM, "--workers", "2")
    assert stopped.returncode == 75, stopped.stderr[-2000:]
    assert part.read_bytes().count(b"\n") == 2 + THIRD
    assert not path.exists() and not list(path.parent.glob("*.failed.json"))
    seesaw(root, "detect", "a01")
    assert path.read_bytes() == whole
    assert not record.exists() and not part.exists()


def test_the_kept_matches_give_the_standard_errors_of_the_metrics(root):
    seesaw(root, "evaluate", "a01")
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
    seesaw(root, "evaluate", "a01")
    assert (folder / "matches.npz").read_bytes() == first
