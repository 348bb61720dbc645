"""The loader's rate, from random JPEGs where the data set is absent."""

import psutil
import pytest
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training import loading

PAPER = Scale("paper")


def config(name):
    return resolve(PAPER.table.trainings[name].config, PAPER)


def test_the_rate_is_measured_without_data_and_no_worker_stays():
    before = psutil.Process().children()
    made = loading.measure(config("a01_mask_rcnn"), workers=1, real=False, seconds=0.01)
    assert made.pop("images_per_second") > 0
    assert made == dict(workers=1, data="random")
    assert psutil.Process().children() == before


@pytest.mark.parametrize("name", ["a01_mask_rcnn", "cascade_rfs_seesaw"])
def test_a_random_image_has_the_size_and_the_objects_of_lvis(name, tmp_path):
    cfg = config(name)
    init_default_scope(cfg.default_scope)
    dataset = DATASETS.build(loading._random(cfg, tmp_path))
    sizes = [(info["height"], info["width"]) for info in map(dataset.get_data_info, range(4))]
    assert sizes == [(480, 640)] * 3 + [(640, 480)]
    sample = dataset[0]
    assert 640 <= min(sample["inputs"].shape[1:]) <= 800
    objects = sample["data_samples"].gt_instances
    assert len(objects.bboxes) == len(objects.masks) == 13
    assert all(mask.any() for mask in objects.masks.masks)
