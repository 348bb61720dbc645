"""Dual-head classification: freezing, initialisation, averaging (supplementary, Sec. 4.2)."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.runner.checkpoint import load_state_dict
from tsd_cases import (
    CLASSES,
    batch,
    bbox_head,
    detections,
    detector,
    losses,
    seesaw_options,
    total,
)

from seesaw.errors import UserError
from seesaw.models.bbox_heads.dual_head import DualHeadScores
from seesaw.models.detectors.dual_head import init_dual_from, is_dual


def source():
    """A finished Seesaw model whose classifier has an opinion and whose counter has counted."""
    model = detector(**seesaw_options())
    for head in model.roi_head.bbox_head:
        generator = torch.Generator().manual_seed(7)
        head.fc_cls.bias.data = torch.randn(CLASSES + 2, generator=generator)
        head.loss_cls.cum_samples += torch.arange(CLASSES + 1)
    return model


def dual(state=None, seed=1, **options):
    options = seesaw_options() | dict(type="DualTSDBBoxHead") | options
    model = detector("DualHeadCascadeRCNN", "DualTSDHTCLiteRoIHead", seed, **options)
    load_state_dict(model, source().state_dict() if state is None else state)
    return model


def shaken(model):
    """Move the new classifiers away from the old ones."""
    generator = torch.Generator().manual_seed(9)
    for name, parameter in model.named_parameters():
        if is_dual(name):
            parameter.data += torch.randn(parameter.shape, generator=generator)
    return model


def train(model, steps=3):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
    for step in range(steps):
        loss = losses(model, batch(seed=step))
        optimizer.zero_grad()
        total(loss).backward()
        optimizer.step()
    return optimizer


def assert_same(first, second):
    assert sum(map(len, first)) > 10
    for old, new in zip(first, second, strict=True):
        assert torch.equal(old.bboxes, new.bboxes) and torch.equal(old.scores, new.scores)
        assert torch.equal(old.labels, new.labels) and torch.equal(old.masks, new.masks)


@pytest.mark.parametrize("branch", ["fcs", "predictor"])
def test_only_the_new_classifiers_are_trainable(branch):
    model = dual(branch=branch)
    layers = ("dual_cls_fcs.0", "dual_cls_fcs.1", "dual_fc_cls") if branch == "fcs" else (
        "dual_fc_cls",
    )  # fmt: skip
    expected = {
        f"roi_head.bbox_head.{stage}.{layer}.{part}"
        for stage in range(3)
        for layer in layers
        for part in ("weight", "bias")
    }
    assert {name for name, p in model.named_parameters() if p.requires_grad} == expected
    optimizer = train(model)
    assert {name for name, p in model.named_parameters() if p.grad is not None} == expected
    assert len(optimizer.state) == len(expected)


def test_training_moves_nothing_but_the_new_classifiers():
    """Parameters, batch-norm statistics and the old counters stay bit-identical."""
    model = dual()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model)
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if is_dual(name)}
    assert any("running_mean" in name for name in before)
    head = model.roi_head.bbox_head[0]
    assert head.loss_cls.cum_samples.tolist() == [0, 1, 2, 3, 4]
    assert head.dual_loss_cls.cum_samples[:-1].sum() > 3 < head.dual_loss_cls.cum_samples[-1]


def test_modes_after_train():
    model = dual().train()
    on = {name for name, module in model.named_modules() if module.training}
    assert model.training and all(is_dual(name) for name in on - {""})
    assert "roi_head.bbox_head.2.dual_loss_cls" in on
    model.eval()
    assert not any(module.training for module in model.modules())


def test_only_the_new_losses_are_computed_with_the_stage_weights():
    model = dual().train()
    loss = losses(model, batch())
    kinds = ("loss_cls_objectness", "loss_cls_classes", "acc_objectness", "acc_classes")
    assert set(loss) == {f"s{stage}.dual_{kind}" for stage in range(3) for kind in kinds}
    model = dual().train()
    model.roi_head.stage_loss_weights = [2, 0.5, 0.25]
    other = losses(model, batch())
    torch.testing.assert_close(
        other["s0.dual_loss_cls_classes"], 2 * loss["s0.dual_loss_cls_classes"]
    )
    assert other["s1.dual_loss_cls_classes"] == loss["s1.dual_loss_cls_classes"]


def test_first_loss_is_that_of_the_source_classifier_with_a_fresh_counter():
    model = dual().train()
    old = source().roi_head.bbox_head[0]
    old.loss_cls.cum_samples.zero_()
    seen = {}
    head = model.roi_head.bbox_head[0]
    head.dual_loss_cls.register_forward_pre_hook(lambda _, args: seen.update(args=args))
    head.register_forward_pre_hook(lambda _, args: seen.update(feats=args))
    loss = losses(model, batch())
    logits, _ = old(*seen["feats"])
    expected = old.loss_cls(logits, *seen["args"][1:], avg_factor=len(logits))
    for name, value in expected.items():
        torch.testing.assert_close(loss[f"s0.dual_{name}"], value)


def test_copies_share_no_memory_and_the_counter_starts_at_zero():
    state = source().state_dict()
    kept = {name: value.clone() for name, value in state.items()}
    new = init_dual_from(state)
    assert set(state) == set(kept) and set(state) < set(new)
    for stage in range(3):
        prefix = f"roi_head.bbox_head.{stage}."
        for key in ("cls_fcs.0.weight", "cls_fcs.1.bias", "fc_cls.weight", "fc_cls.bias"):
            assert torch.equal(new[f"{prefix}dual_{key}"], kept[prefix + key])
            new[f"{prefix}dual_{key}"].add_(1)
            assert torch.equal(state[prefix + key], kept[prefix + key])
        assert new[prefix + "dual_loss_cls.cum_samples"].tolist() == [0] * (CLASSES + 1)
    assert not any("sibling" in key and is_dual(key) for key in new)
    assert not any("dual_cls_fcs" in key for key in init_dual_from(state, "predictor"))


@pytest.mark.parametrize("branch", ["fcs", "predictor"])
@pytest.mark.parametrize("head_avg", ["prob", "logit"])
def test_untrained_copy_detects_exactly_as_the_source(branch, head_avg):
    assert_same(
        detections(source(), batch()), detections(dual(branch=branch, head_avg=head_avg), batch())
    )


@pytest.mark.parametrize("head_avg", ["prob", "logit"])
def test_alpha_one_is_the_source_and_alpha_zero_is_not(head_avg):
    expected = detections(source(), batch())
    assert_same(expected, detections(shaken(dual(alpha=1.0, head_avg=head_avg)), batch()))
    other = detections(shaken(dual(alpha=0.0, head_avg=head_avg)), batch())
    assert not torch.equal(expected[0].scores, other[0].scores)


def test_averages_by_hand():
    """Class logits (4, 0, 0) and (0, 4, 0): .468 .468 .063 by logits, .491 .491 .018 by scores."""
    one, two = torch.tensor([[4.0, 0, 0, 50, 0]]), torch.tensor([[0.0, 4, 0, 50, 0]])
    by_logit, by_prob = [0.46831, 0.46831, 0.06338, 0.0], [0.49117, 0.49117, 0.01767, 0.0]

    def scores(stage_avg, head_avg, stages):
        loss = DualHeadScores(0.5, stage_avg, head_avg, num_classes=3)
        rows = [loss.stage_scores(*stage) for stage in stages]
        return loss.get_activation(sum(rows) / len(rows))[0].tolist()

    for stage_avg, head_avg, over_heads, over_stages in (
        ("logit", "prob", by_prob, by_logit),
        ("logit", "logit", by_logit, by_logit),
        ("prob", "prob", by_prob, by_prob),
        ("prob", "logit", by_logit, by_prob),
    ):
        heads = scores(stage_avg, head_avg, [(one, two), (one, two)])
        stages = scores(stage_avg, head_avg, [(one, one), (two, two)])
        assert heads == pytest.approx(over_heads, abs=1e-5)
        assert stages == pytest.approx(over_stages, abs=1e-5)


def test_every_switch_changes_the_detections_and_none_the_boxes_before_nms():
    scores, boxes = [], []
    for stage_avg in ("logit", "prob"):
        for head_avg in ("prob", "logit"):
            model = shaken(dual(stage_avg=stage_avg, head_avg=head_avg)).eval()
            images, samples = batch()
            with torch.no_grad():
                x = model.extract_feat(images)
                proposals = model.rpn_head.predict(x, samples)
                x = model.roi_head.with_context(x)
                metas = [sample.metainfo for sample in samples]
                raw = model.roi_head.predict_bbox(x, metas, proposals, None)
            scores.append(torch.cat([result.scores for result in raw]))
            boxes.append(torch.cat([result.bboxes for result in raw]))
    assert all(torch.equal(box, boxes[0]) for box in boxes)
    for row in scores:
        torch.testing.assert_close(row.sum(1), torch.ones(len(row)))
    pairs = [(i, j) for i in range(4) for j in range(i)]
    assert min((scores[i] - scores[j]).abs().max() for i, j in pairs) > 1e-4


def test_trained_model_resumes_exactly():
    model = dual()
    train(model, 2)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    other = dual(state, seed=4)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in state.items())
    assert_same(detections(model, batch()), detections(other, batch()))


def test_incomplete_checkpoints_are_refused():
    key = "roi_head.bbox_head.1.fc_cls.weight"
    state = dict(source().state_dict())
    for change, message in (
        ({key: None}, "lacks"),
        ({key: torch.zeros(3, 3)}, "another shape"),
        ({"roi_head.bbox_head.3.fc_cls.weight": torch.zeros(1)}, "adds"),
        ({"roi_head.bbox_head.0.dual_fc_cls.bias": torch.zeros(CLASSES + 2)}, "lacks"),
    ):
        bad = {name: value for name, value in (state | change).items() if value is not None}
        with pytest.raises(UserError, match=message):
            dual(bad)
    old = {name: value for name, value in state.items() if "num_batches_tracked" not in name}
    assert len(old) < len(state)
    assert_same(detections(source(), batch()), detections(dual(old), batch()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(branch="all"), "fcs, predictor"),
        (dict(stage_avg="mean"), "logit, prob"),
        (dict(head_avg="mean"), "prob, logit"),
        (dict(reg_class_agnostic=False), "reg_class_agnostic=True"),
        (
            dict(loss_cls=dict(type="CrossEntropyLoss"), cls_predictor_cfg=dict(type="Linear")),
            "Sync",
        ),
    ],
)
def test_wrong_options_are_refused(options, message):
    cfg = bbox_head(**seesaw_options()) | dict(type="DualTSDBBoxHead") | options
    with pytest.raises(UserError, match=message):
        MODELS.build(cfg)
