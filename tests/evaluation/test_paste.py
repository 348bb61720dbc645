"""RLE from the crop around a box: the bytes of full-size pasting and pycocotools."""

import pytest
import torch
from detector_cases import KINDS, build, picture, predict, view
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.structures.mask import encode_mask_results
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData

from seesaw.errors import UserError
from seesaw.evaluation.detections import DetectionWriter
from seesaw.evaluation.paste import encode_masks, rle_masks
from seesaw.models.tta.mask_tta import InstSegTTAModel

HEIGHT, WIDTH = 61, 97


def texts(masks):
    """Counts of full-size masks by pycocotools, or of RLE."""
    if torch.is_tensor(masks):
        return [mask["counts"].decode() for mask in encode_mask_results(masks.numpy())]
    return [mask["counts"] for mask in masks]


def boxes(count, seed):
    """Boxes inside the image of all sizes, many on its border, as clamping leaves them."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([WIDTH, HEIGHT])
    corner = (torch.rand(count, 2, generator=generator) * 1.2 - 0.1) * size
    side = (torch.rand(count, 2, generator=generator) * 6 - 1).exp()
    found = torch.cat([corner, corner + side], 1)
    return torch.minimum(found.clamp(min=0), size.repeat(2))


def awkward():
    """The whole image, no width, no height, a point, one pixel, less than a pixel."""
    return torch.tensor(
        [
            [0, 0, WIDTH, HEIGHT],
            [5, 5, 5, 20],
            [5, 7, 30, 7],
            [WIDTH, HEIGHT, WIDTH, HEIGHT],
            [0, 0, 1, 1],
            [3.2, 4.1, 3.3, 4.9],
            [WIDTH - 0.4, 0, WIDTH, HEIGHT],
        ],
        dtype=torch.float32,
    )


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("side", [4, 28])
def test_the_bytes_are_those_of_pasting_and_pycocotools(side, threshold):
    placed = torch.cat([awkward(), boxes(150, seed=side)])
    probs = torch.rand(len(placed), side, side, generator=torch.Generator().manual_seed(1))
    probs[::3] = 0.5  # all ties at the threshold
    probs[1::5] = 0.0
    head = FCNMaskHead(num_convs=0, num_classes=1, class_agnostic=True)
    meta = dict(ori_shape=(HEIGHT, WIDTH), scale_factor=(1.0, 1.0))
    (oracle,) = head.predict_by_feat(
        [probs[:, None]],
        [InstanceData(bboxes=placed.clone(), labels=torch.zeros(len(placed), dtype=torch.long))],
        [meta],
        ConfigDict(mask_thr_binary=threshold),
        activate_map=True,
    )
    assert texts(encode_masks(probs, placed, HEIGHT, WIDTH, threshold)) == texts(oracle.masks)
    assert threshold > 0 or oracle.masks.flatten(1).all(1)[0]


def assert_same(found, expected):
    assert found.keys() == expected.keys() and len(found) == len(expected) > 5
    for key in set(expected.keys()) - {"masks"}:
        assert torch.equal(found[key], expected[key]), key
    assert expected.masks.any()
    assert texts(found.masks) == texts(expected.masks)
    assert {tuple(mask["size"]) for mask in found.masks} == {tuple(expected.masks.shape[1:])}


@pytest.mark.parametrize("kind", KINDS)
def test_every_detector_gives_the_rle_of_its_masks(kind):
    model, image = build(kind), picture()
    for size in (83, 131):  # the original size, and a larger one that is scaled back
        expected = predict(model, image, size)
        with rle_masks(model):
            assert_same(predict(model, image, size), expected)
    assert torch.is_tensor(predict(model, image, 83).masks)  # as before, after the block


@pytest.mark.parametrize("kind", ["mask_rcnn", "cascade_dense_masks", "htc", "dual_head"])
def test_so_does_test_time_augmentation(kind):
    views = [view(picture(), size, flip) for size, flip in [(96, None), (128, "horizontal")]]
    item = dict(
        inputs=[v["inputs"] for v in views], data_samples=[v["data_samples"] for v in views]
    )
    model = InstSegTTAModel(module=build(kind))
    expected = model.test_step(pseudo_collate([item]))[0].pred_instances
    with rle_masks(model):
        assert_same(model.test_step(pseudo_collate([item]))[0].pred_instances, expected)


def test_without_rescaling_masks_have_the_input_size():
    model, (height, width) = build("mask_rcnn"), (40, 60)
    head, results = model.roi_head.mask_head, []
    logits = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    meta = dict(ori_shape=(height, width), scale_factor=(1.21, 1.19))
    for block in (rle_masks(model), torch.no_grad()):
        instances = InstanceData(
            bboxes=boxes(9, seed=3).clamp(max=40), labels=torch.zeros(9, dtype=torch.long)
        )
        with block:
            cfg = ConfigDict(mask_thr_binary=0.5)
            results += head.predict_by_feat([logits], [instances], [meta], cfg, rescale=False)
    assert results[0].masks[0]["size"] == [48, 73]
    assert texts(results[0].masks) == texts(results[1].masks)


def test_an_image_without_detections_is_written(tmp_path):
    model = build("mask_rcnn")
    model.roi_head.test_cfg.score_thr = 2.0
    with rle_masks(model), DetectionWriter(tmp_path / "d.jsonl") as writer:
        found = predict(model, picture())
        writer.write(1, 70, 83, found.bboxes, found.scores, found.labels, found.masks)
    assert len(found) == 0
    assert b'"counts":[]' in (tmp_path / "d.jsonl").read_bytes()


def test_grey_masks_are_refused():
    model = build("mask_rcnn")
    model.roi_head.test_cfg.mask_thr_binary = -1
    with pytest.raises(UserError, match="mask_thr_binary is -1"), rle_masks(model):
        predict(model, picture())
    assert "_predict_by_feat_single" not in vars(model.roi_head.mask_head)
