"""A saved detector of every kind detects the same, to the bit, in a new process."""

import os
import sys
from pathlib import Path

import pytest
import torch
from detector_cases import KINDS, build, picture, predict
from repository import python

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import torch
from detector_cases import KINDS, build, picture, predict

for kind in KINDS:
    model = build(kind, seed=5)
    model.load_state_dict(torch.load(f"{sys.argv[1]}/{kind}.pth", weights_only=True))
    torch.save(predict(model, picture()).to_dict(), f"{sys.argv[1]}/{kind}.found")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every kind's weights, saved here and used by one new process."""
    folder = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        torch.save(build(kind).state_dict(), folder / f"{kind}.pth")
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    python(Path(), "-c", SCRIPT, folder, PYTHONPATH=path)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_detections_survive_saving_and_loading_in_a_new_process(kind, folder):
    expected = predict(build(kind), picture())
    found = torch.load(folder / f"{kind}.found", weights_only=True)
    assert set(found) == set(expected.keys()) and len(expected) > 5
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key
    other = predict(build(kind, seed=5), picture())
    assert not torch.equal(expected.scores, other.scores)
