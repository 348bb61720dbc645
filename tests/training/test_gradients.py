"""Figure A1's gradients: closed form against autograd, sums over steps, ranks and resumes."""

import json

import pytest
import torch
from facts import lacks
from mmdet.models.losses import CrossEntropyLoss
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from toy_training import attempt

from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss
from seesaw.training.gradients import SUMS, absolute_gradients

CLASSES = 7


def losses():
    seesaw = SyncedSeesawLoss(num_classes=CLASSES, p=0.8, q=2.0, loss_weight=0.5)
    seesaw.cum_samples.copy_(torch.tensor([900.0, 300, 80, 20, 5, 1, 0, 4000]))
    return {"ce": CrossEntropyLoss(loss_weight=0.5), "seesaw": seesaw}


def by_autograd(loss, logits, labels, weights, factor):
    """The definition: the gradient of the loss, by the label of its row."""
    logits = logits.clone().requires_grad_()
    value = loss(logits, labels, weights, avg_factor=factor)
    sum(value.values()).backward() if isinstance(value, dict) else value.backward()
    gradient = logits.grad[:, :CLASSES].abs()
    sums = torch.zeros(len(SUMS), CLASSES, dtype=torch.float64)
    for row, label, weight in zip(gradient, labels.tolist(), weights.tolist(), strict=True):
        for i in range(CLASSES if weight > 0 else 0):
            if label == i:
                sums[0, i] += row[i]
                sums[3, i] += 1
            else:
                sums[2 if label == CLASSES else 1, i] += row[i]
    return sums


@pytest.mark.parametrize("kind", ["ce", "seesaw"])
def test_the_closed_form_is_autograds(kind):
    loss = losses()[kind]
    generator = torch.Generator().manual_seed(0)
    extra = 1 if kind == "ce" else 2
    logits = 4 * torch.randn(60, CLASSES + extra, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, CLASSES + 1, (60,), generator=generator)
    labels[30:] = CLASSES
    weights = torch.ones(60, dtype=torch.float64)
    weights[::7] = 0.0
    weights[1::7] = 0.25
    expected = by_autograd(loss, logits, labels, weights, 60.0)
    got = absolute_gradients(loss, logits, labels, weights, 60.0)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-14)
    background = got[2]
    assert (background > 0).all() if kind == "ce" else not background.any()
    # what one category gains, all others lose
    if kind == "seesaw":
        torch.testing.assert_close(got[0].sum(), got[1].sum())


def test_a_right_answer_keeps_its_digits():
    """1 - p of a confident RoI is not rounded away."""
    logits = torch.zeros(1, CLASSES + 1)
    logits[0, 2] = 30.0
    got = absolute_gradients(CrossEntropyLoss(), logits, torch.tensor([2]), torch.ones(1), 1.0)
    tail = torch.exp(torch.tensor(-30.0, dtype=torch.float64))
    torch.testing.assert_close(got[0, 2], CLASSES * tail, rtol=1e-2, atol=0.0)
    torch.testing.assert_close(got[1, 3], tail, rtol=1e-2, atol=0.0)
    assert got[1, 2] == 0


def test_without_foreground_and_ignored_rows_count_for_nothing():
    labels = torch.tensor([CLASSES, -1])
    logits = torch.randn(2, CLASSES + 2)
    loss = losses()["seesaw"]
    assert not absolute_gradients(loss, logits, labels, torch.ones(2), 1.0).any()
    got = absolute_gradients(CrossEntropyLoss(), logits[:, 1:], labels, torch.ones(2), 2.0)
    p = logits[0, 1:].double().softmax(0)[:CLASSES]
    torch.testing.assert_close(got[2], p / 2, rtol=1e-5, atol=1e-8)
    assert not got[[0, 1, 3]].any()


@HOOKS.register_module()
class Plain(Hook):
    """Plain SGD at a constant rate; keeps how far the classifier's bias moves."""

    def before_train(self, runner):
        (group,) = runner.optim_wrapper.param_groups
        group.update(lr=0.05, momentum=0.0, weight_decay=0.0)
        runner.param_schedulers.clear()
        model = getattr(runner.model, "module", runner.model)
        self.bias = model.roi_head.bbox_head.fc_cls.bias
        self.start = self.bias.detach().double().clone()

    def after_train(self, runner):
        drift = (self.bias.detach().double() - self.start)[:3]
        torch.save(drift, f"{runner.work_dir}/../drift.pt")


def test_the_hook_adds_up_all_steps_of_all_ranks(tmp_path):
    """For plain SGD, the bias of a category moves by lr x (positive - negative) alone."""
    made = {}
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        assert attempt(folder, ranks=ranks, plain=True, hooks=[dict(type="Plain")]) == 0
        made[ranks] = json.loads((folder / "gradients.json").read_text())
        drift = torch.load(folder / "drift.pt")
        sums = {name: torch.tensor(made[ranks][name], dtype=torch.float64) for name in SUMS}
        moved = sums["positive"] - sums["negative_foreground"] - sums["negative_background"]
        torch.testing.assert_close(drift, 0.05 * moved, rtol=1e-5, atol=1e-6)
    for one in made.values():
        assert (one["categories"], one["instances"]) == ([1, 2, 3], [3, 6, 9])
        assert one["iterations"] == 30
        # 60 images of 24 in turn, labels 0..3 by index: two and a half epochs
        assert sum(one["samples"]) == pytest.approx(45, abs=6)
    assert made[1]["positive"] == pytest.approx(made[2]["positive"], rel=0.3)


def test_another_loss_is_reported(tmp_path):
    assert attempt(tmp_path, hooks=[], loss=dict(use_sigmoid=True), plain=True) == 2
    said = (tmp_path / "log.0").read_text().splitlines()[-1]
    assert not lacks(said, "UserError: ", "GradientRatioHook", "CrossEntropyLoss", "custom_hooks")
