"""The rung a12: its pipeline on a file, its switch, and detection through the wrapper."""

import json
import shutil

import cv2
import orjson
import pytest
import torch
from detector_cases import build, picture
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from test_mask_tta import assert_close
from test_mask_tta import detect as detect_by_hand

from seesaw.core import paths
from seesaw.evaluation.detect import build_model, detect
from seesaw.models.tta.mask_tta import InstSegTTAModel
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale

RUNG = paths.CONFIGS / "table_a1" / "a12_test_time_augmentation.py"
SMALL = (72, 84, 96, 108, 120)


def resized(pipeline, sizes=SMALL):
    """The rung's pipeline at other sizes."""
    for resize, size in zip(pipeline[1].transforms[0], sizes, strict=True):
        resize.scale = (size, size)
    return pipeline


@pytest.fixture
def images(tmp_path):
    """Two images on disk, lossless."""
    (tmp_path / "val2017").mkdir()
    files = [tmp_path / "val2017" / f"{i:012d}.png" for i in (1, 2)]
    for seed, file in enumerate(files):
        cv2.imwrite(str(file), picture(seed, 60 + 10 * seed, 80))
    return files


def test_ten_views_of_the_papers_sizes(images):
    pipeline = Compose(Config.fromfile(RUNG).test_pipeline.copy())
    data = pipeline(dict(img_path=str(images[0]), img_id=1))
    metas = [sample.metainfo for sample in data["data_samples"]]
    longer = [1200, 1200, 1400, 1400, 1600, 1600, 1800, 1800, 2000, 2000]
    assert [max(meta["img_shape"]) for meta in metas] == longer
    assert [min(meta["img_shape"]) for meta in metas] == [edge * 3 // 4 for edge in longer]
    assert [meta["flip"] for meta in metas] == [False, True] * 5
    assert all(meta["ori_shape"] == (60, 80) for meta in metas)
    for plain, flipped in zip(data["inputs"][::2], data["inputs"][1::2], strict=True):
        assert torch.equal(plain.flip(2), flipped)


def test_the_sizes_may_be_those_of_the_shorter_edge(images, tmp_path):
    copy = shutil.copytree(paths.CONFIGS, tmp_path / "configs") / RUNG.relative_to(paths.CONFIGS)
    copy.write_text(copy.read_text().replace('edge = "longer"', 'edge = "shorter"'))
    data = Compose(Config.fromfile(copy).test_pipeline)(dict(img_path=str(images[0]), img_id=1))
    shapes = [sample.img_shape for sample in data["data_samples"][::2]]
    assert shapes == [(1200, 1600), (1400, 1867), (1600, 2133), (1800, 2400), (2000, 2667)]


def test_the_pipeline_feeds_the_wrapper(images):
    config = Config.fromfile(RUNG)
    data = Compose(resized(config.test_pipeline))(dict(img_path=str(images[0]), img_id=1))
    model = build("dual_head")
    (sample,) = InstSegTTAModel(module=model).test_step(pseudo_collate([data]))
    views = [(size, flip) for size in SMALL for flip in (None, "horizontal")]
    by_hand = detect_by_hand(model, picture(0, 60, 80), views=views)
    assert_close(by_hand, sample.pred_instances, boxes=0, scores=0)
    assert sample.img_id == 1 and sample.ori_shape == (60, 80)


@pytest.mark.slow
def test_detections_file_of_the_whole_rung(images, tmp_path):
    """The resolved detector of the rung, from saved weights, through dataset and wrapper."""
    config = resolve(RUNG, Scale("smoke"))
    config.model.backbone.init_cfg = None
    annotations = dict(
        images=[
            dict(id=i, coco_url=f"http://images.cocodataset.org/val2017/{file.name}", width=80,
                 height=60 + 10 * (i - 1), neg_category_ids=[], not_exhaustive_category_ids=[])
            for i, file in enumerate(images, 1)
        ],
        categories=[dict(id=i, name=str(i), frequency="r") for i in range(1, 1204)],
        annotations=[],
    )  # fmt: skip
    (tmp_path / "val.json").write_text(json.dumps(annotations))
    dataset = config.test_dataloader.dataset
    dataset.update(data_root=str(tmp_path), ann_file="val.json")
    resized(dataset.pipeline)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "model.pth")
    facts = detect(config, tmp_path / "model.pth", tmp_path / "detections.jsonl", "a12", tmp_path)
    lines = [orjson.loads(line) for line in (tmp_path / "detections.jsonl").open()]
    assert facts["images"] == 2 and [line["image_id"] for line in lines] == [1, 2]
    wrapped = InstSegTTAModel(module=build_model(config, tmp_path / "model.pth"))
    for line, file in zip(lines, images, strict=True):
        data = Compose(dataset.pipeline)(dict(img_path=str(file), img_id=1))
        (sample,) = wrapped.test_step(pseudo_collate([data]))
        found = sample.pred_instances
        assert len(found) == len(line["scores"]) > 0
        assert sorted(found.scores.tolist(), reverse=True) == pytest.approx(
            line["scores"], abs=1e-6
        )
        assert len(line["mask_scores"]) == len(line["scores"])
