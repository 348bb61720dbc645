"""Real detectors at smoke scale, stopped after each single iteration: the same bytes."""

import json
import os
import time

import pytest
from toy_training import attempt, results

from seesaw.spec import experiments
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training.checkpoint import iteration, newest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("training", ["a01_mask_rcnn", "mask_rcnn_random_seesaw"])
def test_stopped_after_each_iteration(smoke_root, tmp_path, training, ranks):
    """Of a01, and of a Seesaw cell with its cumulative gradients."""

    def make():
        os.chdir(smoke_root)
        return resolve(experiments.load().training(training).config, Scale("smoke"))

    assert attempt(tmp_path / "whole", ranks=ranks, make=make) == 0
    total = json.loads((tmp_path / "whole/facts.0").read_text())["iterations"]
    folder = tmp_path / "stopped"
    for done in range(1, total):
        assert attempt(folder, ranks=ranks, make=make, deadline=time.time()) == 75
        assert iteration(newest(folder / "work")) == done
    assert attempt(folder, ranks=ranks, make=make) == 0
    weights, gradients = results(folder)
    assert (weights, gradients) == results(tmp_path / "whole")
    assert bool(gradients) == training.endswith("seesaw")
