"""InstaBoost on polygons and run lengths: pixels agree with masks, or nothing is changed."""

import random
import sys

import cv2
import numpy as np
import pytest
from drawn_masks import COLORS, by_label, decoded, draw_masks, sample, seeded
from mmengine.logging import MMLogger
from pycocotools import mask as coco_mask

from seesaw.data.segments import to_rle
from seesaw.data.transforms.instaboost import SafeInstaBoost, _run_lengths
from seesaw.errors import UserError


@pytest.mark.parametrize("engine", ["instaboostfast", "opencv"])
@pytest.mark.parametrize("kind", ["polygons", "compressed", "uncompressed"])
def test_pasted_pixels_and_masks_agree(engine, kind, monkeypatch):
    """A pasted object has its colour inside its new mask, and its new box is the mask's."""
    if engine == "opencv":
        monkeypatch.setitem(sys.modules, "instaboostfast", None)
    boost = SafeInstaBoost(aug_ratio=1, color_prob=0, fallback=True)
    before = sample(kind)
    factors = []
    for seed in range(8):
        after = seeded(boost, before, seed)
        assert after["instaboost"] == engine
        assert not np.array_equal(after["img"], before["img"])
        assert [i["bbox_label"] for i in by_label(after)] == [0, 1, 2, 3, 4]
        for instance in after["instances"]:
            mask, label = decoded(instance), instance["bbox_label"]
            ys, xs = np.nonzero(mask)
            assert instance["bbox"] == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            inner = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
            error = np.abs(after["img"][inner].astype(int) - COLORS[label]).max(axis=1)
            assert (error < 40).mean() > 0.97
            factors.append(mask.sum() / draw_masks()[label].sum())
            if label == 0:  # the ring's hole is not filled
                _, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
                assert (tree[0, :, 3] >= 0).sum() == 1
    assert 0.6 < min(factors) < 0.85 and 1.15 < max(factors) < 1.5  # areas: 0.8² .. 1.2²


def test_every_kind_of_segmentation_gives_the_same_sample():
    boost = SafeInstaBoost(aug_ratio=1)
    polygons, *others = (
        seeded(boost, sample(k), 5) for k in ("polygons", "compressed", "uncompressed")
    )
    for other in others:
        assert np.array_equal(polygons["img"], other["img"])
        assert polygons["instances"] == other["instances"]


def test_run_lengths_are_exact():
    rng = np.random.default_rng(0)
    for share in (0, 0.3, 0.7, 1):
        mask = np.asfortranarray(rng.random((7, 5)) < share, np.uint8)
        code = _run_lengths(coco_mask.encode(mask), 7, 5)
        assert sum(code["counts"]) == 35
        assert np.array_equal(coco_mask.decode(to_rle(code, 7, 5)), mask)


def test_output_is_a_function_of_the_seed():
    boost = SafeInstaBoost(aug_ratio=1)
    one, same, other = (seeded(boost, sample(), seed) for seed in (3, 3, 4))
    assert np.array_equal(one["img"], same["img"]) and one["instances"] == same["instances"]
    assert not np.array_equal(one["img"], other["img"])


@pytest.mark.parametrize(
    "switch",
    [
        dict(scale=(1.0, 1.0)),
        dict(theta=(9, 10)),
        dict(dx=2),
        dict(dy=2),
        dict(color_prob=1),
        dict(hflag=True),
        dict(action_prob=(0, 0, 1)),
    ],
    ids=lambda s: next(iter(s)),
)
def test_each_parameter_changes_the_picture(switch):
    before = sample()
    before["img"] += np.random.default_rng(0).integers(0, 5, before["img"].shape, np.uint8)
    default = seeded(SafeInstaBoost(aug_ratio=1, color_prob=0), before)
    changed = seeded(SafeInstaBoost(**{"aug_ratio": 1, "color_prob": 0, **switch}), before)
    assert changed["instaboost"] == "instaboostfast"
    assert not np.array_equal(default["img"], changed["img"])


def test_aug_ratio_is_the_share_of_augmented_samples():
    """A sample that is not drawn is the same object, not rebuilt; 400 draws at 0.5 ± 4 sigma."""
    tiny = dict(img=np.full((24, 24, 3), 9, np.uint8), instances=[square(11, 11, 3)])
    random.seed(0)
    np.random.seed(0)
    boost, applied = SafeInstaBoost(), 0
    for _ in range(400):
        results = dict(tiny)
        after = boost(results)
        applied += after["instaboost"] == "instaboostfast"
        if after["instaboost"] == "none":
            assert after is results and after["instances"] is tiny["instances"]
    assert abs(applied - 200) < 40


def square(x, y, side, **changes) -> dict:
    ring = [x, y, x + side, y, x + side, y + side, x, y + side]
    box = [x, y, x + side, y + side]
    return dict(bbox=box, bbox_label=0, mask=[ring], ignore_flag=0) | changes


NAN = float("nan")


@pytest.mark.parametrize(
    "instances",
    [
        [square(5, 5, 9, bbox=[5, NAN, 14, 14])],  # ValueError: NaN is no pixel
        [square(5 + i % 3, 5, 9) for i in range(1100)],  # RecursionError in the grouping
        [square(5, 5, 9, bbox=[5.2, 5.2, 5.4, 5.4])],  # the cut-out is empty: nothing is left
    ],
    ids=["nan", "crowded", "all dropped"],
)
def test_failure_leaves_the_sample_as_it_was(instances):
    img = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    after = seeded(SafeInstaBoost(aug_ratio=1), dict(img=img, instances=instances))
    assert after["instaboost"] == "identity"
    assert np.array_equal(after["img"], img)
    assert repr(after["instances"]) == repr(instances)


@pytest.mark.parametrize("outside", [0.6, 1, 5])
def test_an_object_whose_box_begins_outside_is_kept(outside):
    results = dict(img=np.full((40, 40, 3), 9, np.uint8), instances=[square(0, 12, 15)])
    results["instances"][0]["bbox"][0] -= outside
    after = seeded(SafeInstaBoost(aug_ratio=1), results)
    assert after["instaboost"] == "instaboostfast" and len(after["instances"]) == 1


def test_ignored_objects_keep_place_and_mask():
    ignored = square(3, 3, 4, ignore_flag=1, bbox_label=7)
    img = np.full((40, 40, 3), 9, np.uint8)
    boost = SafeInstaBoost(aug_ratio=1)
    both = seeded(boost, dict(img=img, instances=[ignored, square(18, 18, 9)]))
    assert both["instaboost"] == "instaboostfast" and both["instances"][-1] == ignored
    assert seeded(boost, dict(img=img, instances=[ignored]))["instaboost"] == "none"
    assert seeded(boost, dict(img=img, instances=[]))["instaboost"] == "none"


def test_mistakes_are_told_in_one_sentence():
    with pytest.raises(UserError, match=r"LoadImageFromFile .*LoadAnnotations"):
        SafeInstaBoost()(dict(img=np.zeros((4, 4, 3)), gt_bboxes=[], instances=[]))
    for wrong in ((0.5, 0.5, 0), (1, 0), (0.5, 0, 0)):
        with pytest.raises(UserError, match="action_prob"):
            SafeInstaBoost(action_prob=wrong)


def test_fallback_runs_only_when_configured_and_is_recorded(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "instaboostfast", None)  # Python then refuses to import it
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    for refused in ({}, dict(fallback=True, hflag=True)):
        with pytest.raises(UserError, match="`pip install instaboostfast`"):
            SafeInstaBoost(**refused)
    assert not caplog.messages
    boost = SafeInstaBoost(aug_ratio=1, fallback=True)
    assert boost.engine == "opencv"
    assert [m for m in caplog.messages if "instaboostfast" in m] == caplog.messages != []
    after = seeded(boost, sample())
    assert after["instaboost"] == "opencv"
    assert not np.array_equal(after["img"], sample()["img"])
    again = seeded(boost, sample())
    assert np.array_equal(after["img"], again["img"]) and after["instances"] == again["instances"]
    stays = SafeInstaBoost(action_prob=(0, 0, 1), color_prob=0, aug_ratio=1, fallback=True)
    for old, new in zip(sample()["instances"], by_label(seeded(stays, sample())), strict=True):
        assert np.array_equal(decoded(old), decoded(new))
