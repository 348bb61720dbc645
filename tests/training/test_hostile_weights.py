"""A checkpoint that would run code is refused wherever one is read, and the code never runs."""

import os

import pytest
import torch
from hostile_pickle import Runs
from toy_training import attempt, config, fault

from seesaw.errors import UserError
from seesaw.evaluation.detect import detect
from seesaw.spec import zoo
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training.convert import convert


@pytest.fixture
def evil(tmp_path):
    """Write a checkpoint that creates a file if it is unpickled; the file is not there after it."""
    made = tmp_path / "made"

    def write(path, **content):
        path.parent.mkdir(parents=True, exist_ok=True)
        own = Runs(os.system, f"touch {made}")
        torch.save({"state_dict": {}, "meta": {}, "own": own} | content, path)
        return path

    yield write
    assert not made.exists()


def refused(folder, path):
    """Whether the only attempt's log tells the file in one sentence."""
    log = (folder / "log.0").read_text().splitlines()
    return log[-1].startswith(f"UserError: {path} ") and "posix.system" in log[-1]


def test_a_training_resumed_from_it(tmp_path, evil):
    folder = tmp_path / "run"
    assert attempt(folder, hooks=fault(13)) == -9
    content = torch.load(folder / "work/iter_10.pth", weights_only=False)
    path = evil(folder / "work/iter_11.pth", **content)
    assert attempt(folder) == 2 and refused(folder, path)
    assert not (folder / "model.pth").exists()
    path.unlink()
    assert attempt(folder) == 0


def test_a_training_that_starts_from_it(tmp_path, evil):
    path = evil(tmp_path / "other/model.pth")
    assert attempt(tmp_path / "run", init_from=path) == 2
    assert refused(tmp_path / "run", path)


def test_a_pre_trained_backbone(tmp_path, evil):
    path = evil(tmp_path / "backbone.pth")

    def make():
        cfg = config()
        cfg.model.init_cfg = dict(type="Pretrained", checkpoint=str(path))
        return cfg

    assert attempt(tmp_path / "run", make=make) == 2
    assert refused(tmp_path / "run", path)


def test_detection_and_conversion(tmp_path, evil):
    path, output = evil(tmp_path / "w.pth"), tmp_path / "output"
    model, scale = zoo.model("zoo_mask_rcnn_r50_random"), Scale("smoke")
    cfg = resolve(model.evaluation.config_path, scale)
    with pytest.raises(UserError, match=r"w\.pth .*posix\.system.*`seesaw download zoo`"):
        convert(cfg, path, output)
    with pytest.raises(UserError, match=r"w\.pth .*posix\.system.*\btrain\b"):
        detect(cfg, path, output, "key", work=tmp_path)
    assert not output.exists()


def test_predict(tmp_path, evil, printed):
    import cv2
    import numpy as np

    path, photo = evil(tmp_path / "w.pth"), tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((40, 60, 3), np.uint8))
    words = ["predict", str(photo), "--scale", "smoke", "--model", "a01_m", "--weights", str(path)]
    assert "posix.system" in printed(*words, "--out", str(tmp_path / "out"), code=2)
    assert not (tmp_path / "out").exists()
