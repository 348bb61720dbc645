"""Mask scoring: IoU targets by hand, and scores kept apart (mmdet#10978)."""

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from seesaw.errors import UserError
from seesaw.models.mask_heads.mask_iou_head import SeparateMaskIoUHead

SMALL = dict(num_convs=1, in_channels=2, conv_out_channels=2, fc_out_channels=4, num_classes=3)


def one_object(box, mask):
    """Sampling result and ground truth of one positive RoI on a 40 x 40 image."""
    result = ConfigDict(
        pos_priors=torch.tensor([box], dtype=torch.float32), pos_assigned_gt_inds=torch.tensor([0])
    )
    masks = np.zeros((1, 40, 40), np.uint8)
    x1, y1, x2, y2 = mask
    masks[0, y1:y2, x1:x2] = 1
    return [result], [InstanceData(masks=BitmapMasks(masks, 40, 40))]


def target(logit, mask=(0, 0, 20, 20), **kwargs):
    head = SeparateMaskIoUHead(**SMALL, **kwargs)
    sampling, objects = one_object((0, 0, 20, 20), mask)
    logits = logit if torch.is_tensor(logit) else torch.full((1, 28, 28), float(logit))
    target_mask = torch.ones(1, 28, 28)
    return head.get_targets(sampling, objects, logits, target_mask, ConfigDict()).item()


def test_perfect_mask_has_iou_one():
    assert target(5.0) == pytest.approx(1.0, abs=1e-6)


def test_half_of_the_object_outside_the_box_halves_the_iou():
    assert target(5.0, mask=(0, 0, 40, 20)) == pytest.approx(0.5, abs=1e-6)


def test_threshold_is_probability_one_half_unless_switched_to_the_logit():
    assert target(0.3) == pytest.approx(1.0, abs=1e-6)
    assert target(0.3, target_threshold="logit05") == 0.0
    assert target(0.51, target_threshold="logit05") == pytest.approx(1.0, abs=1e-6)
    assert target(-0.01) == 0.0


def test_half_covering_prediction():
    logits = torch.full((1, 28, 28), -3.0)
    logits[:, :14] = 3.0
    assert target(logits) == pytest.approx(0.5, abs=1e-6)


def loss(pred, logit, mask):
    """The loss of a prediction where all logits of the object's mask are alike."""
    sampling, objects = one_object((0, 0, 20, 20), mask)
    logits, target_mask = torch.full((1, 28, 28), logit), torch.ones(1, 28, 28)
    head = SeparateMaskIoUHead(**SMALL)
    made = head.loss_and_target(pred, logits, target_mask, sampling, objects, ConfigDict())
    return made["loss_mask_iou"]


def test_empty_masks_give_no_loss():
    pred = torch.tensor([0.4], requires_grad=True)
    made = loss(pred, -5.0, mask=(0, 0, 20, 20))
    made.backward()
    assert made.item() == 0
    assert pred.grad.item() == 0


def test_loss_is_half_the_squared_error():
    made = loss(torch.tensor([0.9]), 5.0, mask=(0, 0, 40, 20))
    assert made.item() == pytest.approx(0.5 * (0.9 - 0.5) ** 2, abs=1e-6)


def test_unknown_threshold_is_refused():
    with pytest.raises(UserError, match="'half'"):
        SeparateMaskIoUHead(target_threshold="half", **SMALL)
