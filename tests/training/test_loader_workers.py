"""The real verb with loader workers: it ends, whatever ends it, and leaves no process behind."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from waiting import wait_until

SEESAW = [sys.executable, "-m", "seesaw.cli"]
RUNG = "a01_mask_rcnn"
MODEL = f"results/smoke/{RUNG}/seed0/model.pth"
pytestmark = pytest.mark.slow


def start(root, fingerprint, *options, workers=2):
    command = [*SEESAW, "train", RUNG, "--scale", "smoke", "--fingerprint", fingerprint]
    return subprocess.Popen(
        [*command, "--workers", str(workers), *options],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # what it leaves behind is found by its session
    )


def end(process):
    """Exit code and output; fails if it hangs or processes of its session stay."""
    output, _ = process.communicate(timeout=120)
    wait_until(lambda: not in_session(process.pid))
    return process.returncode, output


def in_session(number):
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == number and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass
    return found


def has_checkpoint(root, fingerprint):
    return any((root / f"work/smoke/{RUNG}/seed0/{fingerprint}").glob("iter_*.pth"))


def in_training(root, fingerprint, process):
    """Whether both workers run and an iteration is logged or saved."""
    log = root / f"work/smoke/{RUNG}/seed0/{fingerprint}/log.jsonl"
    return process.poll() is not None or (len(in_session(process.pid)) >= 3 and log.is_file())


@pytest.fixture(scope="module")
def expected(smoke_root):
    """The weights of an uninterrupted training without workers."""
    code, output = end(start(smoke_root, "without", workers=0))
    assert code == 0, output
    return (smoke_root / MODEL).read_bytes()


def test_a_training_ends_with_the_weights_of_one_without_workers(smoke_root, expected):
    code, output = end(start(smoke_root, "with"))
    assert code == 0, output
    assert (smoke_root / MODEL).read_bytes() == expected


def test_at_the_deadline_it_says_75_and_goes_on_to_the_same_weights(smoke_root, expected):
    for _ in range(2):
        code, output = end(start(smoke_root, "parts", "--deadline", "0.001"))
        assert code == 75, output
    assert has_checkpoint(smoke_root, "parts")
    assert end(start(smoke_root, "parts"))[0] == 0
    assert (smoke_root / MODEL).read_bytes() == expected


@pytest.mark.parametrize(
    ("number", "codes"), [(signal.SIGTERM, {75, 0}), (signal.SIGKILL, {-signal.SIGKILL})]
)
def test_a_signal_to_the_whole_job_ends_it(smoke_root, number, codes):
    """Schedulers signal every process of a job; workers leave SIGTERM to the trainer."""
    name = f"signal{int(number)}"
    process = start(smoke_root, name)
    wait_until(lambda: in_training(smoke_root, name, process))
    os.killpg(process.pid, number)
    code, output = end(process)
    assert code in codes, output


def test_a_worker_that_fails_ends_the_training_with_one_sentence(smoke_root):
    images = {
        path: path.read_bytes() for path in (smoke_root / "data/smoke_lvis/train").glob("*.png")
    }
    assert images
    process = start(smoke_root, "broken")
    try:
        # The verb checks the images' hashes first; its log is there before a worker reads one.
        log = smoke_root / f"work/smoke/{RUNG}/seed0/broken/log.jsonl"
        wait_until(lambda: log.is_file() or process.poll() is not None)
        for path in images:
            path.write_bytes(b"")
        code, output = end(process)
    finally:
        for path, content in images.items():
            path.write_bytes(content)
    assert code == 2, output
    assert ".png" in output.strip().splitlines()[-1]
