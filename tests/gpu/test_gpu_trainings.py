"""The verbs on a GPU: a training that is killed and goes on, under torchrun, and prediction."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import cv2
import numpy as np
import psutil
import pytest
import torch
from waiting import wait_until

SEESAW = [sys.executable, "-m", "seesaw.cli"]
SMOKE = ["--scale", "smoke"]
LIMIT = 100  # s; tools/gpu_first_light.sh gives all tests 200


def run(*command, cwd):
    """Run a command; one that does not end in time says where its processes are, and fails."""
    environment = os.environ | {"PYTHONFAULTHANDLER": "1"}
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    words = [*map(str, command)]
    with subprocess.Popen(words, cwd=cwd, env=environment, **streams) as process:
        try:
            said = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGABRT)  # of which Python prints its stacks
            said = process.communicate(timeout=10)
    return subprocess.CompletedProcess(words, process.returncode, *said)


def ok(done):
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def weights(root, training="mask_rcnn_random_seesaw"):
    path = root / f"results/smoke/{training}/seed0/model.pth"
    return torch.load(path, weights_only=True)["state_dict"]


TRAIN = [*SEESAW, "train", "mask_rcnn_random_seesaw", *SMOKE, "--workers", "2"]


@pytest.fixture(scope="module")
def whole(smoke_root):
    """The weights of an uninterrupted training."""
    ok(run(*TRAIN, "--fingerprint", "whole", cwd=smoke_root))
    return weights(smoke_root)


def test_training_ends_and_so_does_one_that_was_cut_off(smoke_root, whole):
    """With loader workers: exit code 75 at each deadline, 0 at the end, nothing left running."""
    codes = []
    for _ in range(2):
        limits = ["--fingerprint", "cut", "--deadline", "0.001"]
        codes.append(run(*TRAIN, *limits, cwd=smoke_root).returncode)
    assert codes == [75, 75]
    log = smoke_root / "work/smoke/mask_rcnn_random_seesaw/seed0/cut/log.jsonl"
    begun = log.read_bytes().count(b"\n") + 2  # a line of the attempt, one of an iteration
    killed = subprocess.Popen(
        [*TRAIN, "--fingerprint", "cut"], cwd=smoke_root, start_new_session=True
    )
    wait_until(lambda: killed.poll() is not None or log.read_bytes().count(b"\n") >= begun, LIMIT)
    if killed.poll() is None:
        os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    ok(run(*TRAIN, "--fingerprint", "cut", cwd=smoke_root))
    # atomic adds make two runs on a GPU differ in the last bits
    difference = max(
        (whole[k].double() - v.double()).abs().max() for k, v in weights(smoke_root).items()
    )
    assert difference < 1e-2


def test_predict(smoke_root, whole):
    cv2.imwrite(
        str(smoke_root / "photo.png"), np.random.default_rng(0).integers(0, 255, (70, 90, 3))
    )
    model = smoke_root / "results/smoke/mask_rcnn_random_seesaw/seed0/model.pth"
    ok(
        run(
            *SEESAW, "predict", "photo.png", "--weights", model, "--model",
            "mask_rcnn_random_seesaw", *SMOKE, "--out", "out", cwd=smoke_root,
        )
    )  # fmt: skip
    assert (smoke_root / "out/photo.json").is_file()


two_gpus = pytest.mark.skipif(
    torch.cuda.device_count() < 2, reason="one GPU is visible; two ranks need two"
)


@pytest.mark.parametrize(
    ("training", "ranks"),
    [
        (TRAIN[4], 1),
        pytest.param(TRAIN[4], 2, marks=two_gpus),
        # SyncBN, TSD and HTC-Lite
        pytest.param("a06_mask_scoring", 2, marks=two_gpus),
    ],
)
def test_torchrun(smoke_root, training, ranks):
    # without a network a host's name may have no address
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--local-addr", "127.0.0.1", f"--nproc-per-node={ranks}"]
    verb = ["-m", "seesaw.cli", "train", training, *TRAIN[5:]]
    ok(run(*launcher, *verb, "--fingerprint", f"ranks{ranks}", cwd=smoke_root))
    assert all(torch.isfinite(v).all() for v in weights(smoke_root, training).values())
