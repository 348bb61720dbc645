"""TSD in the three stages of HTC-Lite: refinement, evaluation, gradients, switches."""

import copy

import pytest
import torch
from tsd_cases import (
    CHANNELS,
    batch,
    detections,
    detector,
    losses,
    sampled,
    seesaw_options,
    total,
    trained_like,
    zero_deltas,
)


def fixed_shift(model, shift):
    """Every stage translates by ``shift`` (units of gamma times size) and regresses nothing."""
    for head in model.roi_head.bbox_head:
        zero_deltas(head)
        head.delta_r[2].bias.data = torch.tensor(shift)
        torch.nn.init.zeros_(head.fc_reg.weight)
    return model


def test_cascade_continues_from_the_translated_proposals_by_hand():
    """P = (10, 10, 30, 50), delta_r = (1, -.5): P_r = (12, 8, 32, 48), thrice (16, 4, 36, 44)."""
    model = fixed_shift(detector(), [1.0, -0.5]).eval()
    head, (images, samples) = model.roi_head, batch()
    x = head.with_context(model.extract_feat(images[:1]))
    rois = torch.tensor([[0.0, 10, 10, 30, 50]])
    metas = [samples[0].metainfo]
    last, scores, preds = head._refine_roi(x, rois, metas, [1])
    torch.testing.assert_close(last[0], torch.tensor([[0.0, 14, 6, 34, 46]]))
    final = head.bbox_head[-1].predict_by_feat(last, scores, preds, metas)[0].bboxes
    torch.testing.assert_close(final, torch.tensor([[16.0, 4, 36, 44]]))


def test_training_refines_from_the_translated_proposals():
    model = fixed_shift(detector(), [1.0, -0.5]).train()
    x, results = sampled(model)
    out = model.roi_head.bbox_loss(0, x, results)
    metas = [sample.metainfo for sample in batch()[1]]
    refined = model.roi_head.bbox_head[0].refine_bboxes(results, out, metas)
    for result, boxes in zip(results, refined, strict=True):
        priors = result.priors[len(result.pos_is_gt[result.pos_is_gt.bool()]) :]
        size = priors[:, 2:] - priors[:, :2]
        moved = priors + (size * torch.tensor([0.1, -0.05])).repeat(1, 2)
        torch.testing.assert_close(boxes.bboxes, moved.clamp(0, 96))


def test_evaluation_skips_the_sibling_head():
    model = trained_like(detector())
    before = detections(model, batch())
    keys = list(model.state_dict())
    out = model.roi_head._bbox_forward(0, sampled(model)[0], torch.tensor([[0.0, 5, 5, 40, 40]]))
    assert not any("sibling" in key for key in out)
    for head in model.roi_head.bbox_head:
        for parameter in head.sibling.parameters():
            parameter.data.fill_(float("nan"))
    after = detections(model, batch())
    assert sum(map(len, before)) > 10
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old.bboxes, new.bboxes) and torch.equal(old.scores, new.scores)
    assert list(model.train().state_dict()) == keys


@pytest.mark.parametrize("options", [{}, seesaw_options()], ids=["ce", "seesaw"])
def test_batch_without_positives_gives_every_parameter_a_gradient(options):
    model = detector(**options).train()
    loss = losses(model, batch([[], []], [[], []]))
    for stage in range(3):
        for name in ("loss_bbox", "sibling_loss_bbox", "loss_pc_loc"):
            assert loss[f"s{stage}.{name}"] == 0
    total(loss).backward()
    lacking = [name for name, p in model.named_parameters() if p.grad is None]
    assert lacking == []
    head = model.roi_head.bbox_head[0]
    assert head.fc_reg.weight.grad.abs().sum() == 0 < head.fc_cls.weight.grad.abs().sum()


def test_switches_change_the_losses_they_name():
    def run(**change):
        return losses(trained_like(detector(**change)).train(), batch())

    base, wide, off, gamma = run(), run(pc_cls=0.5), run(pc_loc=None), run(gamma=0.3)
    context = run(roi_options=dict(context_in_tsd=False))
    assert wide["s0.loss_pc_cls"] > base["s0.loss_pc_cls"]
    assert wide["s0.loss_pc_loc"] == base["s0.loss_pc_loc"]
    assert "s0.loss_pc_loc" in base and "s0.loss_pc_loc" not in off
    for other in (gamma, context):
        assert other["s0.loss_cls"] != base["s0.loss_cls"]
        assert other["s0.sibling_loss_cls"] == base["s0.sibling_loss_cls"]


def test_shifted_features_are_those_of_the_shifted_roi():
    """F_r of a translated proposal is the RoI feature of P_r on the level chosen by P."""
    model = fixed_shift(detector(), [1.0, -0.5]).eval()
    head, (images, _) = model.roi_head, batch()
    x = head.with_context(model.extract_feat(images))
    seen = {}
    head.bbox_head[0].register_forward_pre_hook(lambda _, args: seen.update(reg=args[1]))
    head._bbox_forward(0, x, torch.tensor([[1.0, 10, 20, 50, 80]]))
    moved = torch.tensor([[1.0, 14, 17, 54, 77]])
    expected = head.extract_roi_feats(head.bbox_roi_extractor[0], x, moved)
    assert expected.shape == (1, CHANNELS, 3, 3)
    torch.testing.assert_close(seen["reg"], expected, rtol=0, atol=1e-5)


def test_training_step_lowers_the_loss_and_reload_is_exact():
    model = detector(**seesaw_options()).train()
    data = batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    history = []
    for _ in range(6):
        loss = total(losses(model, data))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 35)
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.8 * history[0]
    other = detector(seed=5, **seesaw_options())
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    for old, new in zip(detections(model, data), detections(other, data), strict=True):
        assert torch.equal(old.bboxes, new.bboxes) and torch.equal(old.scores, new.scores)
