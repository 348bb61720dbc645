"""Rung 7's training pipeline: longer edge, crop, and all its transforms in a row."""

from copy import deepcopy

import cv2
import numpy as np
import pytest
from drawn_masks import sample, seeded
from mmcv.transforms import Compose
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from repository import REPOSITORY
from scipy.stats import kstest


@pytest.fixture(scope="module")
def steps():
    """Type -> config of each transform of a07."""
    init_default_scope("mmdet")
    config = Config.fromfile(REPOSITORY / "configs/table_a1/a07_augmentation.py")
    return {step["type"]: step.to_dict() for step in config.train_pipeline}


def test_longer_edge_is_uniform(steps):
    """Supplementary 4.2: longer edge uniform in 768..1792; the aspect ratio stays."""
    resize = TRANSFORMS.build(steps["RandomResize"])
    np.random.seed(0)
    edges = []
    for i in range(2000):
        height, width = (30, 40) if i % 2 else (40, 30)
        out = resize(dict(img=np.zeros((height, width), np.uint8), img_shape=(height, width)))
        long, short = max(out["img_shape"]), min(out["img_shape"])
        assert (out["img_shape"][0] > out["img_shape"][1]) == (height > width)
        assert abs(short - 0.75 * long) <= 1
        edges.append(long)
    assert 768 <= min(edges) < 775 and 1785 < max(edges) <= 1792
    assert abs(np.mean(edges) - 1280) < 4 * 1024 / np.sqrt(12 * 2000)
    assert kstest(edges, "uniform", args=(768, 1024)).pvalue > 0.01


@pytest.mark.parametrize(
    ("before", "after"),
    [((900, 1500), (900, 1280)), ((1700, 900), (1280, 900)), ((700, 1000), (700, 1000))],
)
def test_crop_keeps_smaller_images_whole(steps, before, after):
    crop = TRANSFORMS.build(steps["RandomCrop"])
    boxes = np.array([[600, 500, 650, 560], [300, 600, 400, 690]], np.float32)
    masks = np.zeros((2, *before), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = 1
    np.random.seed(0)
    out = crop(
        dict(
            img=np.zeros((*before, 3), np.uint8),
            img_shape=before,
            gt_bboxes=HorizontalBoxes(boxes),
            gt_bboxes_labels=np.array([4, 5]),
            gt_ignore_flags=np.zeros(2, bool),
            gt_masks=BitmapMasks(masks, *before),
        )
    )
    assert out["img"].shape[:2] == out["img_shape"] == after
    assert out["gt_masks"].masks.shape[1:] == after
    if before == after:
        assert np.array_equal(out["gt_bboxes"].numpy(), boxes)
        assert np.array_equal(out["gt_masks"].masks, masks)


@pytest.mark.parametrize("kind", ["polygons", "compressed", "uncompressed"])
def test_whole_pipeline(steps, tmp_path, kind):
    """a07's own transforms at a tenth of the size: boxes, labels and masks stay in step."""
    path = tmp_path / "image.png"
    results = sample(kind)
    cv2.imwrite(str(path), results.pop("img"))
    results |= dict(img_path=str(path), img_id=1)
    small = deepcopy(steps)
    small["RandomResize"]["scale"] = (179, 179)
    small["RandomCrop"]["crop_size"] = (128, 128)
    assert list(small)[:3] == ["LoadImageFromFile", "SafeInstaBoost", "LoadAnnotations"]
    pipeline = Compose(list(small.values()))
    counts = []
    for seed in range(10):
        out, again = seeded(pipeline, results, seed), seeded(pipeline, results, seed)
        assert np.array_equal(out["inputs"], again["inputs"])
        height, width = out["inputs"].shape[1:]
        assert max(height, width) <= 128
        objects = out["data_samples"].gt_instances
        masks, boxes = objects.masks.masks, objects.bboxes.numpy()
        assert masks.shape == (len(objects), height, width)
        assert len(set(objects.labels.tolist())) == len(objects) == len(boxes)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
            ys, xs = np.nonzero(mask)
            assert len(xs) > 0
            assert np.abs([xs.min() - x1, ys.min() - y1]).max() <= 2
            assert np.abs([xs.max() + 1 - x2, ys.max() + 1 - y2]).max() <= 2
        counts.append(len(objects))
    assert max(counts) == 5 and min(counts) >= 1
