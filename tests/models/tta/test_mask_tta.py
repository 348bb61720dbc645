"""Mask test-time augmentation: normal prediction and mirrored images as oracles."""

import numpy as np
import pytest
import torch
from detector_cases import KINDS, build, picture, predict, view
from largest_tensor import LargestTensor
from mmdet.models.layers import multiclass_nms
from mmdet.structures.bbox import bbox_overlaps
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData

from seesaw.errors import UserError
from seesaw.models.tta.mask_tta import InstSegTTAModel

VIEWS = [(96, None), (96, "horizontal"), (128, "horizontal")]
FEW = [
    "mask_rcnn_class_specific_boxes",
    "cascade_dense_masks",
    "htc",
    "htc_lite_mask_scoring",
    "tsd",
    "dual_head",
]


def augmented(*images, views):
    """A batch as from TestTimeAug."""
    packed = [[view(image, *how) for how in views] for image in images]
    items = [
        dict(inputs=[v["inputs"] for v in image], data_samples=[v["data_samples"] for v in image])
        for image in packed
    ]
    return pseudo_collate(items)


def detect(model, *images, views):
    found = InstSegTTAModel(module=model).test_step(augmented(*images, views=views))
    found = [sample.pred_instances for sample in found]
    return found if len(images) > 1 else found[0]


def mirror(found, direction="horizontal", height=70, width=83):
    """Detections on a mirrored image, as seen in the image."""
    x1, y1, x2, y2 = found.bboxes.unbind(1)
    if direction in ("horizontal", "diagonal"):
        x1, x2, found.masks = width - x2, width - x1, found.masks.flip(2)
    if direction in ("vertical", "diagonal"):
        y1, y2, found.masks = height - y2, height - y1, found.masks.flip(1)
    found.bboxes = torch.stack([x1, y1, x2, y2], 1)
    return found


def assert_close(one, two, boxes=1e-3, scores=1e-5):
    assert len(one) == len(two) > 5 and one.masks.any() and one.keys() == two.keys()
    assert torch.equal(one.labels, two.labels)
    torch.testing.assert_close(one.bboxes, two.bboxes, atol=boxes, rtol=0)
    for key in {"scores", "mask_scores"} & set(one.keys()):
        torch.testing.assert_close(one[key], two[key], atol=scores, rtol=0)
    # a probability within rounding of the threshold may fall on either side
    assert (one.masks != two.masks).float().mean() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_one_view_is_normal_prediction_bit_by_bit(kind):
    model, image = build(kind), picture()
    for size in (83, 97):
        expected, found = predict(model, image, size), detect(model, image, views=[(size, None)])
        assert len(found) > 5 and found.masks.any() and (found.masks.shape[1:] == (70, 83))
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.equal(value, found[key]), key


@pytest.mark.parametrize("kind", FEW)
def test_the_order_of_views_does_not_matter(kind):
    model, image = build(kind), picture()
    expected = detect(model, image, views=VIEWS)
    for order in ([2, 1, 0], [1, 0, 2]):
        found = detect(model, image, views=[VIEWS[i] for i in order])
        assert_close(expected, found, boxes=1e-4, scores=1e-6)
    alone = detect(model, image, views=VIEWS[:1])
    assert not torch.equal(alone.scores, expected.scores)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_view_alone_is_prediction_on_the_mirrored_image(kind):
    model, image = build(kind), picture()
    found = detect(model, image, views=[(96, "horizontal")])
    assert_close(mirror(predict(model, image[:, ::-1].copy())), found)


def reference(model, image, views):
    """Section 4.2 written out: boxes in the original frame, masks of all classes."""
    roi_head, batches = model.roi_head, []
    for how in views:
        batch = model.data_preprocessor(pseudo_collate([view(image, *how)]))
        batches.append((model.extract_feat(batch["inputs"]), batch["data_samples"]))

    def flip(boxes, meta):
        if not meta["flip"]:
            return boxes
        width = meta["img_shape"][1]
        x1, y1, x2, y2 = boxes.unbind(1)
        return torch.stack([width - x2, y1, width - x1, y2], 1)

    def factors(meta):
        return torch.tensor([*meta["scale_factor"]] * 2)

    boxes, scores = [], []
    for x, samples in batches:
        (found,) = model.rpn_head.predict(x, samples)
        boxes.append(flip(found.bboxes, samples[0].metainfo) / factors(samples[0].metainfo))
        scores.append(found.scores)
    order = torch.cat(scores).argsort(descending=True).tolist()
    boxes, kept = torch.cat(boxes), []
    for i in order:
        if not kept or bbox_overlaps(boxes[[i]], boxes[kept]).max() <= 0.7:
            kept.append(i)
    proposals, boxes, scores = boxes[kept[:12]], [], []
    for x, samples in batches:
        meta = samples[0].metainfo
        rois = InstanceData(bboxes=flip(proposals * factors(meta), meta))
        x = roi_head.with_context(x)
        (raw,) = roi_head.predict_bbox(x, [meta], [rois], None)
        boxes.append(flip(raw.bboxes, meta) / factors(meta))
        scores.append(raw.scores)
    boxes, scores = torch.stack(boxes).mean(0), torch.stack(scores).mean(0)
    dets, labels = multiclass_nms(boxes, scores, 1e-4, dict(type="nms", iou_threshold=0.5), 20)
    probabilities = []
    for x, samples in batches:
        meta = samples[0].metainfo
        rois = torch.cat([torch.zeros(len(dets), 1), flip(dets[:, :4] * factors(meta), meta)], 1)
        logits = roi_head.mask_branch(roi_head.with_context(x), rois, labels)["head_preds"]
        probabilities.append(logits.sigmoid().flip(3) if meta["flip"] else logits.sigmoid())
    results = InstanceData(bboxes=dets[:, :4], scores=dets[:, 4], labels=labels)
    meta = dict(ori_shape=image.shape[:2], scale_factor=(1.0, 1.0))
    return roi_head.mask_head.predict_by_feat(
        [torch.stack(probabilities).mean(0)], [results], [meta], roi_head.test_cfg, True, True
    )[0]


@torch.no_grad()
def test_merging_as_written_out():
    model, image = build("htc_lite_dense_masks"), picture()
    expected = reference(model, image, VIEWS)
    assert_close(expected, detect(model, image, views=VIEWS))


def test_mask_scores_are_box_scores_times_the_mean_predicted_iou():
    model, image, seen = build("htc_lite_mask_scoring"), picture(), []
    model.roi_head.mask_iou_head.register_forward_hook(lambda *args: seen.append(args[-1]))
    found = detect(model, image, views=VIEWS)
    assert len(seen) == len(VIEWS)
    ious = torch.stack(seen).mean(0)[torch.arange(len(found)), found.labels]
    torch.testing.assert_close(found.mask_scores, found.scores * ious)


def largest(kind, classes):
    model = build(kind, classes=classes)
    data = augmented(picture(), views=VIEWS)
    weights = max(p.untyped_storage().nbytes() for p in model.parameters())
    with LargestTensor() as largest:
        (sample,) = InstSegTTAModel(module=model).test_step(data)
    assert len(sample.pred_instances) == 20 and weights < largest.bytes
    return largest.bytes


@pytest.mark.parametrize("kind", ["mask_rcnn", "cascade", "htc", "htc_lite_mask_scoring"])
def test_memory_does_not_grow_with_the_number_of_classes(kind):
    assert largest(kind, 1203) == largest(kind, 4)


def test_a_dense_mask_head_would_grow():
    assert largest("htc_lite_dense_masks", 1203) >= 20 * 1203 * 8 * 8 * 4


@pytest.mark.parametrize(
    ("direction", "axes"), [("vertical", 0), ("diagonal", (0, 1)), ("horizontal", 1)]
)
def test_every_direction_is_mirrored_back(direction, axes):
    model, image = build("htc_lite_mask_scoring"), picture(1)
    mirrored = predict(model, np.flip(image, axes).copy())
    assert_close(mirror(mirrored, direction), detect(model, image, views=[(96, direction)]))


@pytest.mark.parametrize("kind", FEW)
def test_detections_of_a_mirrored_image_are_the_mirrored_detections(kind):
    """Both images have the same two views; only their flip flags are swapped."""
    model, image = build(kind), picture()
    found = detect(model, image, views=VIEWS[:2])
    assert_close(mirror(detect(model, image[:, ::-1].copy(), views=VIEWS[:2])), found)


@pytest.mark.parametrize("kind", FEW)
@pytest.mark.parametrize("empty", ["proposals", "detections"])
def test_nothing_found(kind, empty):
    model, image = build(kind), picture()
    if empty == "proposals":
        model.rpn_head.test_cfg.min_bbox_size = 1000
    else:
        model.roi_head.test_cfg.score_thr = 2.0
    expected = predict(model, image)
    for views in (VIEWS, VIEWS[:1]):
        found = detect(model, image, views=views)
        assert set(found.keys()) >= set(expected.keys())
        assert len(found) == 0 and found.masks.shape == (0, 70, 83)
        for key, value in expected.items():
            assert value.shape == found[key].shape and value.dtype == found[key].dtype


def test_images_of_a_batch_do_not_touch_each_other():
    model, images = build("htc_lite_mask_scoring"), (picture(), picture(1, 60, 90))
    together = detect(model, *images, views=VIEWS)
    for image, found in zip(images, together, strict=True):
        alone = detect(model, image, views=VIEWS)
        assert all(torch.equal(value, found[key]) for key, value in alone.items())


def test_no_gradient_is_kept():
    assert not detect(build("htc_lite"), picture(), views=VIEWS).scores.requires_grad


def test_a_view_that_does_not_say_whether_it_is_flipped_is_refused():
    data = augmented(picture(), views=VIEWS)
    metas = data["data_samples"][1][0]
    delattr(metas, "flip")
    with pytest.raises(UserError, match="meta_keys of PackDetInputs"):
        InstSegTTAModel(module=build("htc_lite")).test_step(data)
