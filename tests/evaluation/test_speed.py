"""Post-processing in three modes: the same detections, times by part, and what speed.json holds."""

import json

import numpy as np
import pytest
import torch
from detector_cases import PLAIN, build, picture, plain, view
from mmdet.models.roi_heads import CascadeRoIHead, HybridTaskCascadeRoIHead, cascade_roi_head
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from pycocotools import mask as mask_api
from repository import copied, python

from seesaw.evaluation.modes import MODES, encode, in_mode, running
from seesaw.evaluation.speed import _lap
from seesaw.evaluation.timing import PARTS, PartTimer, clock

A2 = ["cascade", "htc", "htc_lite"]


def detector(kind, mode):
    """The tiny detector with the heads of a mode and the weights of ours."""
    model = build(kind)
    cfg = ConfigDict(in_mode(plain(**PLAIN[kind]), mode), test_cfg=model.test_cfg.rcnn)
    roi_head = MODELS.build(cfg)
    roi_head.load_state_dict(model.roi_head.state_dict(), strict=True)
    model.roi_head = roi_head.eval()
    return model


@torch.no_grad()
def detections(kind, mode):
    """Detections in a mode, and their masks (n, H, W) decoded from RLE."""
    model = detector(kind, mode)
    with running(model, mode):
        batch = pseudo_collate([view(picture(), 96)])
        found = model.test_step(batch)[0].pred_instances
        coded = encode(found.masks, PartTimer())
    return found, np.stack([mask_api.decode(mask) for mask in coded])


@pytest.mark.parametrize("kind", ["mask_rcnn", *A2])
def test_all_modes_detect_the_same(kind):
    ours, our_masks = detections(kind, "ours")
    assert len(ours) > 5 and our_masks.any()
    for mode in ("mmdet", "old"):
        found, masks = detections(kind, mode)
        assert torch.equal(found.labels, ours.labels)
        torch.testing.assert_close(found.bboxes, ours.bboxes, atol=1e-3, rtol=0)
        torch.testing.assert_close(found.scores, ours.scores, atol=1e-5, rtol=0)
        different = (masks != our_masks).mean()
        if (kind, mode) == ("htc", "mmdet"):
            assert different > 1e-3  # of the last stage alone (mmdet#10210)
        else:
            assert different < 1e-4  # a probability within rounding of the threshold


def test_mmdet_mode_is_made_of_mmdets_classes():
    assert type(detector("cascade", "mmdet").roi_head) is CascadeRoIHead
    assert type(detector("htc", "mmdet").roi_head) is HybridTaskCascadeRoIHead
    for kind in ("mask_rcnn", "cascade", "htc"):
        roi_head = detector(kind, "mmdet").roi_head
        assert all(m.__module__.startswith(("mmdet", "mmcv", "mmengine", "torch"))
                   for m in roi_head.modules())  # fmt: skip


def test_the_old_way_averages_all_classes_on_the_host():
    seen = []
    original = cascade_roi_head.merge_aug_masks
    model = detector("cascade", "old")
    head = model.roi_head.mask_head[-1]
    head.register_forward_hook(lambda _m, _i, output: seen.append(tuple(output.shape)))
    with running(model, "old"):
        merged = cascade_roi_head.merge_aug_masks(
            [torch.ones(2, 3, 1, 1), torch.zeros(2, 3, 1, 1)], {}
        )
        with torch.no_grad():
            model.test_step(pseudo_collate([view(picture(), 96)]))
    assert isinstance(merged, np.ndarray) and (merged == 0.5).all() and merged.shape == (2, 3, 1, 1)
    assert cascade_roi_head.merge_aug_masks is original
    assert seen[0][1] == head.num_classes > 1


def test_an_unchanged_config_is_left_unchanged():
    config = plain(**PLAIN["htc"])
    before = json.dumps(config)
    assert json.dumps(in_mode(config, "ours")) == before
    in_mode(config, "mmdet")
    assert json.dumps(config) == before


def work():
    torch.randn(300, 300).matmul(torch.randn(300, 300))


def test_nested_parts_are_counted_once():
    timer, start = PartTimer(), clock()
    for _ in range(3):
        with timer.part("outer"):
            with timer.part("inner"):
                work()
            with timer.part("inner"):
                work()
    total = clock() - start
    assert timer.seconds.keys() == {"outer", "inner"} and min(timer.seconds.values()) > 0
    # if the inner time counted for the outer part too, the sum would be near twice the total
    assert sum(timer.seconds.values()) <= total
    timer.reset()
    assert not timer.seconds


def test_a_part_ends_with_an_exception():
    timer = PartTimer()
    with pytest.raises(ZeroDivisionError), timer.part("a"):
        1 / 0  # noqa: B018
    before = timer.seconds["a"]
    work()
    with timer.part("b"):
        pass
    assert timer.seconds["a"] == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", A2)
def test_a_lap_tells_where_the_time_goes(kind, mode):
    model = detector(kind, mode)
    with torch.no_grad():
        lap = _lap(model, mode, [pseudo_collate([view(picture(seed), 96)]) for seed in range(2)])
    parts = lap["parts"]
    assert parts.keys() == {*PARTS, "other"} and min(parts.values()) > 0
    assert sum(parts.values()) == pytest.approx(1 / lap["fps"], rel=1e-9)
    assert lap["detections"] > 5
    assert "extract_feat" not in vars(model) and "predict_mask" not in vars(model.roi_head)


@pytest.mark.slow
def test_speed_json_and_table_a2(tmp_path):
    """The verb on a generated dataset and untrained models; the table is made of its file alone."""
    copied(tmp_path, "configs")
    code = """
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from seesaw.spec import experiments
from seesaw.spec.config import resolve
from seesaw.core.provenance import record
from seesaw.spec.scales import Scale
from seesaw.training.train import save_model
table, scale = experiments.load(), Scale("smoke")
init_default_scope("mmdet")
for cell in table.place_cells("table_a2"):
    evaluation = table.evaluations[cell.evaluation]
    cfg = resolve(evaluation.config_path, scale)
    cfg.model.backbone.init_cfg = None
    output = scale.model(evaluation.training, 0)
    save_model(MODELS.build(cfg.model), output)
    record(output)
"""

    def run(*command):
        return python(tmp_path, *command).stdout

    run("-m", "seesaw.cli", "data", "--scale", "smoke")
    run("-c", code)
    few = ["--images", "2", "--rounds", "3"]
    assert " fps" in run("-m", "seesaw.cli", "speed", "--scale", "smoke", *few)
    measured = json.loads((tmp_path / "results/smoke/speed.json").read_text())
    rows = ["b01_cascade_mask_rcnn", "b02_htc_without_semantic", "b03_htc_lite"]
    assert list(measured["fps"]) == list(MODES)
    for mode in MODES:
        assert list(measured["fps"][mode]) == rows
        for name in rows:
            rounds, parts = measured["rounds"][mode][name], measured["parts"][mode][name]
            assert len(rounds) == 3
            assert measured["fps"][mode][name] == pytest.approx(sorted(rounds)[1], abs=1e-3)
            assert set(parts) == {*PARTS, "other"} and min(parts.values()) > 0
            assert measured["detections_per_image"][mode][name] == 20
    assert (measured["classes"], measured["threads"], measured["images"]) == (12, 1, 2)
    written = run("-m", "seesaw.cli", "table", "table_a2", "--scale", "smoke").splitlines()
    shown = f"Cascade Mask R-CNN {measured['fps']['ours'][rows[0]]:.0f} /"
    assert shown in (tmp_path / written[1]).read_text()
