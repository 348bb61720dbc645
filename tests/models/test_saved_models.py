"""A saved detector of every kind detects the same, to the bit, once another one has loaded it.

That processes agree to the bit: tests/workflow/test_repeatable.py.
"""

import pytest
import torch
from detector_cases import KINDS, build, picture, predict


@pytest.mark.parametrize("kind", KINDS)
def test_detections_survive_saving_and_loading(kind, tmp_path):
    expected, other = predict(build(kind), picture()), build(kind, seed=5)
    assert not torch.equal(expected.scores, predict(other, picture()).scores)
    torch.save(build(kind).state_dict(), tmp_path / "model.pth")
    other.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
    found = predict(other, picture())
    assert set(found.keys()) == set(expected.keys()) and len(expected) > 5
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key
