"""The verbs on a GPU: a training that is killed and goes on, under torchrun, and prediction."""

import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from waiting import wait_until

SEESAW = [sys.executable, "-m", "seesaw.cli"]
SMOKE = ["--scale", "smoke"]


def run(*command, cwd, **options):
    return subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, **options)


def ok(done):
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def weights(root):
    path = root / "results/smoke/mask_rcnn_random_seesaw/seed0/model.pth"
    return torch.load(path, weights_only=True)["state_dict"]


TRAIN = [*SEESAW, "train", "mask_rcnn_random_seesaw", *SMOKE, "--workers", "2"]


@pytest.fixture(scope="module")
def whole(smoke_root):
    """The weights of an uninterrupted training."""
    ok(run(*TRAIN, "--fingerprint", "whole", cwd=smoke_root, timeout=180))
    return weights(smoke_root)


def test_training_ends_and_so_does_one_that_was_cut_off(smoke_root, whole):
    """With loader workers: exit code 75 at each deadline, 0 at the end, nothing left running."""
    codes = []
    for _ in range(3):
        limits = ["--fingerprint", "cut", "--deadline", "0.001"]
        codes.append(run(*TRAIN, *limits, cwd=smoke_root, timeout=180).returncode)
    assert codes == [75, 75, 75]
    log = smoke_root / "work/smoke/mask_rcnn_random_seesaw/seed0/cut/log.jsonl"
    begun = log.read_bytes().count(b"\n") + 2  # a line of the attempt, one of an iteration
    killed = subprocess.Popen(
        [*TRAIN, "--fingerprint", "cut"], cwd=smoke_root, start_new_session=True
    )
    wait_until(lambda: killed.poll() is not None or log.read_bytes().count(b"\n") >= begun, 180)
    if killed.poll() is None:
        os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    ok(run(*TRAIN, "--fingerprint", "cut", cwd=smoke_root, timeout=180))
    # atomic adds make two runs on a GPU differ in the last bits
    difference = max(
        (whole[k].double() - v.double()).abs().max() for k, v in weights(smoke_root).items()
    )
    assert difference < 1e-2


@pytest.mark.parametrize(
    "ranks",
    [
        1,
        pytest.param(
            2,
            marks=pytest.mark.skipif(
                torch.cuda.device_count() < 2, reason="one GPU is visible; two ranks need two"
            ),
        ),
    ],
)
def test_torchrun(smoke_root, ranks):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    rest = [*TRAIN[2:], "--fingerprint", f"ranks{ranks}"]
    ok(run(*launcher, f"--nproc-per-node={ranks}", "-m", *rest, cwd=smoke_root, timeout=240))
    assert all(torch.isfinite(v).all() for v in weights(smoke_root).values())


def test_predict(smoke_root, whole):
    cv2.imwrite(
        str(smoke_root / "photo.png"), np.random.default_rng(0).integers(0, 255, (70, 90, 3))
    )
    model = smoke_root / "results/smoke/mask_rcnn_random_seesaw/seed0/model.pth"
    ok(
        run(
            *SEESAW, "predict", "photo.png", "--weights", model, "--model",
            "mask_rcnn_random_seesaw", *SMOKE, "--out", "out", cwd=smoke_root, timeout=180,
        )
    )  # fmt: skip
    assert (smoke_root / "out/photo.json").is_file()
