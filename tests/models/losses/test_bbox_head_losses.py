"""A box head built with each loss: width, initial bias, training step, detections."""

import math

import pytest
import torch
from category_counts import counts
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

import seesaw.models.bbox_heads.prior_bias
import seesaw.models.losses.equalization_loss
import seesaw.models.losses.group_softmax_loss
import seesaw.models.losses.seesaw_loss  # noqa: F401

C = 7
COUNTS = counts((5, 900, 10, 99, 100, 9, 1000), annotated=2000)
LOSSES = {
    "SyncedSeesawLoss": (C + 2, {}),
    "EqualizationLoss": (C, {"category_counts": COUNTS, "lambda_": 0.01}),
    "GroupSoftmaxLoss": (C + 1 + 5, {"category_counts": COUNTS}),
}


def build(name, head="Shared2FCBBoxHead", predictor="Linear"):
    cfg = {
        "type": head,
        "in_channels": 4,
        "fc_out_channels": 16,
        "num_classes": C,
        "cls_predictor_cfg": {"type": predictor},
        "loss_cls": {"type": name, "num_classes": C, **LOSSES[name][1]},
    }
    torch.manual_seed(0)
    return MODELS.build(ConfigDict(cfg))


@pytest.mark.parametrize("predictor", ["Linear", "NormedLinear"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_predict(name, predictor):
    head = build(name, predictor=predictor)
    head.init_weights()
    assert head.fc_cls.weight.shape == (LOSSES[name][0], 16)
    labels = torch.tensor([0, 3, 6, C, C, C])
    cls_score, bbox_pred = head(torch.randn(6, 4, 7, 7))
    rois = torch.tensor([[0.0, 10 * k, 10, 10 * k + 8, 30] for k in range(6)])
    losses = head.loss(
        cls_score, bbox_pred, rois, labels, torch.ones(6), torch.zeros(6, 4), torch.ones(6, 4)
    )
    assert "acc_classes" in losses
    sum(v for k, v in losses.items() if "loss" in k).backward()
    assert head.fc_cls.weight.grad.abs().sum() > 0

    scores = head.loss_cls.get_activation(cls_score)
    assert scores.shape == (6, C + 1) and (scores >= 0).all() and (scores <= 1).all()
    if name == "SyncedSeesawLoss":
        assert torch.allclose(scores.sum(1), torch.ones(6))
    test_cfg = ConfigDict(score_thr=1e-4, nms={"type": "nms", "iou_threshold": 0.5}, max_per_img=5)
    (found,) = head.predict_by_feat(
        (rois,), (cls_score.detach(),), (bbox_pred.detach(),), [{"img_shape": (80, 80)}], test_cfg
    )
    assert len(found.scores) == 5
    assert found.scores[0].item() == pytest.approx(scores[:, :C].max().item())


def test_prior_bias_survives_the_default_initialisation():
    for predictor in ("Linear", "NormedLinear"):
        head = build("EqualizationLoss", "PriorBiasShared2FCBBoxHead", predictor)
        head.init_weights()
        assert torch.allclose(head.fc_cls.bias, torch.tensor(-math.log(0.999 / 0.001)))
        assert head.fc_cls.bias[0].item() == pytest.approx(-6.907, abs=1e-3)
        assert head.fc_cls.weight.std().item() == pytest.approx(0.01, rel=0.4)
        assert (head.fc_reg.bias == 0).all()


def test_keys_are_those_of_a_cross_entropy_head():
    """Only counters are added, so checkpoints of the other rungs load but for the classifier."""
    added = {
        "SyncedSeesawLoss": {"loss_cls.cum_samples"},
        "EqualizationLoss": set(),
        "GroupSoftmaxLoss": {"loss_cls.num_steps"},
    }
    plain = MODELS.build({"type": "Shared2FCBBoxHead", "in_channels": 4, "num_classes": C})
    for name, extra in added.items():
        assert set(build(name).state_dict()) == set(plain.state_dict()) | extra
