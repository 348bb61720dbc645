"""Measurements on whatever machine is there: at smoke scale, with random weights and images."""

import math

import pytest
import yaml

from seesaw.cli.checks import preflight_measure
from seesaw.cli.main import main
from seesaw.evaluation import measure
from seesaw.models.meta import with_counts
from seesaw.models.precision import PRECISIONS, Switches
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale

SMOKE = Scale("smoke")


def config(name):
    cfg = resolve(SMOKE.table.training(name).config, SMOKE)
    with_counts(cfg, None, SMOKE.entry.classes)
    return cfg


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["a01", "a10"])
def test_a_training_step_has_a_finite_loss_in_every_precision(name, precision):
    made = measure.Trainer(config(name), Switches(precision)).measure(steps=1, warm=0)
    assert math.isfinite(made["loss"]) and made["seconds_per_image"] > 0


@pytest.mark.slow
def test_the_peers_and_the_ways_of_post_processing_are_measured(tmp_path):
    options = ["--measure", "peer", "fps", "--out", str(tmp_path)]
    assert main(["preflight", "--scale", "smoke", *options]) == 0
    (path,) = tmp_path.iterdir()
    known = yaml.safe_load(path.read_text())
    assert known["scale"] == "smoke" and known["device"]
    assert known["peer"]["seesaw_loss"]["microseconds"].keys() == {"cross_entropy", "ours", "mmdet"}
    assert {mode for row in known["fps"].values() for mode in row} == {"old", "mmdet", "ours"}


def test_a_measurement_that_fails_is_written_down_and_fails_the_command(tmp_path, monkeypatch):
    def fail(config):
        raise RuntimeError("no memory")

    monkeypatch.setattr(preflight_measure, "_detection", fail)
    options = ["--measure", "detection", "--out", str(tmp_path)]
    assert main(["preflight", "--scale", "single_gpu", *options]) == 1
    (path,) = tmp_path.iterdir()
    rows = yaml.safe_load(path.read_text())["detection"]
    assert rows and all(row == {"failed": "no memory"} for row in rows.values())


@pytest.mark.parametrize("text", ["detection: [1]\n", "peer: {a: 1}\n"])
def test_a_file_that_a_hand_has_damaged_is_refused_before_a_measurement(tmp_path, printed, text):
    path = preflight_measure.file_of(Scale("single_gpu"), tmp_path)
    path.write_text(text)
    words = ("--scale", "single_gpu", "--measure", "detection", "--out", tmp_path)
    assert f"{path}: {text.partition(':')[0]} is " in printed("preflight", *words, code=2)
    assert path.read_text() == text


def test_an_unknown_section_is_refused(printed):
    assert "speed" in printed("preflight", "--scale", "smoke", "--measure", "speed", code=2)
