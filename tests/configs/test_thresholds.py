"""Thresholds that depend on the number of images touch the categories that they touch on LVIS.

LVIS v1 has 1,203 categories (337 r, 461 c, 405 f) in 99,388 annotated images. Repeat factor
sampling at 1e-3 repeats 796 of them; BAGS' edges 10, 100, 1000 make groups of
200, 412, 334 and 257; EQL's tail is all r and c categories and 17 f.
"""

import json
import math
from bisect import bisect_right
from collections import Counter

import numpy as np
import pytest
from category_counts import counts
from config_cases import resolved

from seesaw.data.facts import repeat_factors
from seesaw.data.federation import assign, plan_image
from seesaw.data.mini_lvis import generate
from seesaw.models.losses.common import load_category_counts
from seesaw.models.losses.equalization_loss import EqualizationLoss
from seesaw.models.losses.group_softmax_loss import GroupSoftmaxLoss
from seesaw.spec.mini_lvis import MiniLvisSpec, zipf_counts
from seesaw.spec.scales import Scale

SCALES = ("mini", "smoke")
LVIS_GROUPS = [n / 1203 for n in (200, 412, 334, 257)]
GOLDEN = (5**0.5 - 1) / 2


class Train:
    """Who is annotated in a scale's training images, without drawing them."""

    def __init__(self, scale):
        spec = MiniLvisSpec.parse(Scale(scale).entry.generate, scale)
        self.rare, self.common, self.frequent = spec.groups
        self.counts = zipf_counts(spec.groups, spec.edges, spec.train_images)
        rng = np.random.default_rng([spec.seed, 0])
        self.images = assign(self.counts, spec.train_images, rng, self.rare + self.common)
        self.instances = Counter()
        for i, positives in enumerate(self.images):
            rng = np.random.default_rng([spec.seed, 0, i])
            negatives = max(2, spec.categories // 6)
            plan = plan_image(
                positives, self.frequent, spec.categories, negatives, i * GOLDEN % 1, rng
            )
            self.instances.update(c for c, annotated in plan.drawn if annotated)

    def category_counts(self):
        """The content of category_counts.json; ids are ranks, not LVIS's alphabet."""
        instances = [self.instances[c] for c in range(len(self.counts))]
        return counts(instances, self.counts, annotated=len(self.images))

    def repeats(self, threshold):
        """r(c) of each category."""
        return [*repeat_factors(dict(enumerate(self.counts)), len(self.images), threshold).values()]

    def epoch(self, threshold):
        """Images of an epoch: each image ceil(max_c r(c)) times, as in mmengine."""
        r = self.repeats(threshold)
        return sum(math.ceil(max(r[c] for c in positives)) for positives in self.images)


@pytest.fixture(scope="module", params=SCALES)
def scale(request):
    return request.param


@pytest.fixture(scope="module")
def train(scale):
    return Train(scale)


def loss(experiment, scale, train, kind):
    cfg = resolved(experiment, scale).model.roi_head.bbox_head.loss_cls.to_dict()
    cfg |= {"category_counts": train.category_counts()}
    assert cfg.pop("type") == kind.__name__
    return kind(**cfg)


def threshold(scale):
    return resolved("mask_rcnn_rfs_ce", scale).train_dataloader.dataset.oversample_thr


def test_repeat_factors_reach_the_share_of_lvis(scale, train):
    """796 of 1,203 there, all rare and common ones; the rarest at mini 3.87 times (LVIS: 9.97)."""
    r = train.repeats(threshold(scale))
    assert sum(x > 1 for x in r) / len(r) == pytest.approx(796 / 1203, abs=0.01)
    assert [x > 1 for x in r] == [c >= train.frequent for c in range(len(r))]
    if scale == "mini":
        assert max(r) == pytest.approx(math.sqrt(0.05 * 1200 / 4))


def test_a_repeat_factor_epoch_is_longer_than_a_random_one(scale, train):
    """On LVIS about 1.2 times; LVIS's own threshold would repeat next to nothing here."""
    assert train.epoch(1e-3) <= 1.01 * len(train.images)
    assert 1.1 < train.epoch(threshold(scale)) / len(train.images) < 2


def test_equalization_tail_is_all_rare_and_common(scale, train):
    made = loss("mask_rcnn_random_eql", scale, train, EqualizationLoss)
    assert made.tail.tolist() == [0.0] * train.frequent + [1.0] * (train.common + train.rare)


def test_bags_groups_have_the_shares_of_lvis(scale, train):
    made = loss("mask_rcnn_random_bags", scale, train, GroupSoftmaxLoss)
    sizes = made.group_sizes[:-1]
    total = len(train.counts)
    assert sizes == pytest.approx([share * total for share in LVIS_GROUPS], abs=1)
    edges = resolved("mask_rcnn_random_bags", scale).model.roi_head.bbox_head.loss_cls.edges
    groups = Counter(bisect_right(edges, train.instances[c]) for c in range(total))
    assert [groups[k] for k in range(4)] == sizes and min(sizes) >= 1


def test_counts_are_those_of_the_drawn_set(tmp_path):
    train, spec = Train("smoke"), MiniLvisSpec.parse(Scale("smoke").entry.generate, "smoke")
    generate(spec, tmp_path / "data", tmp_path / "truth")
    content = json.loads((tmp_path / "data/annotations/train.json").read_text())
    drawn = Counter(a["category_id"] for a in content["annotations"])
    assert sorted(drawn.values()) == sorted(train.instances.values())
    assert sorted(c["image_count"] for c in content["categories"]) == sorted(train.counts)
    assert load_category_counts(train.category_counts(), 12).annotated_images == 40
