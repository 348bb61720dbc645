"""Shrunk versions of the shipped detectors train one step and predict, with our RoI heads."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import ConfigDict
from mmengine.model import revert_sync_batchnorm
from shipped_models import CASCADE, cascade, htc, htc_lite, mask_rcnn, shipped
from shipped_models import CLASSES as PAPER_CLASSES

CLASSES, CHANNELS = 20, 32
SIZES = {256: CHANNELS, 1024: 64, PAPER_CLASSES: CLASSES}
SIZED = (
    "in_channels",
    "out_channels",
    "feat_channels",
    "conv_out_channels",
    "fc_out_channels",
    "num_classes",
)


def shrink(cfg):
    """Replace channel and class numbers everywhere, in place."""
    for value in cfg.values() if isinstance(cfg, dict) else cfg:
        if isinstance(value, dict | list | tuple):
            shrink(value)
    if isinstance(cfg, dict):
        for key in SIZED:
            if isinstance(cfg.get(key), int):
                cfg[key] = SIZES.get(cfg[key], cfg[key])
        if cfg.get("type") in ("GlobalContextHead", "SeparateMaskIoUHead"):
            cfg.update(in_channels=CHANNELS, conv_out_channels=CHANNELS)
    return cfg


def small(model):
    model = shrink(model)
    model.backbone = ConfigDict(type="ResNet", depth=18, base_channels=16, norm_eval=True)
    model.neck.in_channels = [16, 32, 64, 128]
    for cfg in (model.train_cfg.rpn_proposal, model.test_cfg.rpn):
        cfg.update(nms_pre=60, max_per_img=60)
    rcnn = model.train_cfg.rcnn
    for cfg in rcnn if isinstance(rcnn, list) else [rcnn]:
        cfg.sampler.num = 32
    model.test_cfg.rcnn.update(score_thr=1e-4, max_per_img=10)
    return model


@pytest.mark.parametrize("model", [mask_rcnn, cascade, htc, htc_lite], ids=lambda m: m.__name__)
def test_one_step_and_one_prediction(model):
    torch.manual_seed(0)
    detector = MODELS.build(small(model()))
    detector.init_weights()
    detector = revert_sync_batchnorm(detector)
    packed = demo_mm_inputs(
        2, [[3, 128, 128], [3, 112, 128]], num_items=[3, 0], num_classes=CLASSES, with_mask=True
    )
    detector.train()
    losses = detector(**detector.data_preprocessor(packed, training=True), mode="loss")
    total, logs = detector.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    assert any("loss_mask" in name for name in logs)
    idle = [n for n, p in detector.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []

    detector.eval()
    with torch.no_grad():
        for sample in detector.test_step(packed):
            found = sample.pred_instances
            assert len(found) == 10
            assert found.masks.shape == (10, *sample.ori_shape)
            assert (found.scores[:-1] >= found.scores[1:]).all()


def test_state_dict_keys_are_those_of_the_dense_head():
    with torch.device("meta"):
        indexed, dense = (MODELS.build(model) for model in (cascade(), shipped(CASCADE)))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (indexed, dense)]
    assert shapes[0] == shapes[1]
