"""Batches from any iteration on, in any number of loader workers."""

from itertools import islice

import numpy as np
import pytest
import torch
from mmdet.datasets.samplers import AspectRatioBatchSampler
from mmengine.dataset import InfiniteSampler
from toy_training import IMAGES, ToyDataset, batches_of

from seesaw.training.batches import ResumableAspectRatioBatchSampler, SeededDataset


class Sizes(ToyDataset):
    """Aspect ratios at random, so that the two groups fill unevenly."""

    wide = np.random.default_rng(0).random(IMAGES) < 0.4
    asked = 0

    def get_data_info(self, index):
        Sizes.asked += 1
        return {"width": 5 if self.wide[index] else 3, "height": 4}


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_order_is_mmdets_from_any_iteration_on(size):
    sampler = InfiniteSampler(Sizes(), seed=7)
    expected = list(islice(AspectRatioBatchSampler(sampler, size), 100))
    for first in (0, 1, 37, 99):
        sampler = InfiniteSampler(Sizes(), seed=7)
        ours = ResumableAspectRatioBatchSampler(sampler, size)
        ours.start = first
        got = list(islice(iter(ours), 100 - first))
        assert [list(b) for b in got] == expected[first:]
        assert [b.iteration for b in got] == list(range(first, 100))


def test_skipped_batches_load_no_image_and_read_each_size_once():
    ToyDataset.loaded = Sizes.asked = 0
    dataset = SeededDataset(Sizes(), seed=3)
    sampler = ResumableAspectRatioBatchSampler(InfiniteSampler(dataset, seed=3), 2)
    sampler.start = 1000
    assert next(iter(sampler)).iteration == 1000
    assert ToyDataset.loaded == 0
    assert Sizes.asked == IMAGES


def same(a, b):
    return all(
        torch.equal(x, y)
        for one, other in zip(a, b, strict=True)
        for kind in ("inputs", "labels")
        for x, y in zip(one[kind], other[kind], strict=True)
    )


def test_workers_and_a_later_start_give_the_same_augmented_batches():
    whole = batches_of(0, 0, 20)
    assert same(whole, batches_of(2, 0, 20))
    assert same(whole[13:], batches_of(0, 13, 7))
    assert same(whole[13:], batches_of(2, 13, 7))
    # the augmentation is random: an image's next epoch is another picture
    assert not same(whole, batches_of(0, 1, 20))
