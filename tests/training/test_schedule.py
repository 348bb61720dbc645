"""Epochs to iterations, against the numbers of LVIS v1."""

import pytest

from seesaw.training.schedule import iterations

TWO_X = dict(epochs=24, milestones=[16, 22], gamma=0.1, warmup_iters=500, warmup_start=1e-3)


@pytest.mark.parametrize(
    ("schedule", "images", "total", "steps"),
    [
        # 99,388 images with annotations: 6,212 iterations an epoch
        (TWO_X, 99_388, 149_088, [99_392, 136_664]),
        # the repeat factor sampler's 122,784: 7,674
        (TWO_X | dict(epochs=12, milestones=[8, 11]), 122_784, 92_088, [61_392, 84_414]),
        (TWO_X | dict(epochs=45, milestones=[30, 40]), 99_388, 279_540, [186_360, 248_480]),
        # a fraction of an epoch: 400 iterations each
        (TWO_X | dict(epochs=0.65, milestones=[0.4333, 0.5958]), 6_400, 260, [173, 238]),
    ],
)
def test_iterations_of_lvis(schedule, images, total, steps):
    made, (warmup, stepped) = iterations(schedule, images, batch=16)
    assert made == total
    assert stepped["milestones"] == steps and stepped["gamma"] == 0.1
    assert (warmup["begin"], warmup["end"], warmup["start_factor"]) == (0, 500, 1e-3)
