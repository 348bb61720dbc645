"""Seesaw Loss against Eqn 4-8 and A1 of the paper, mmdet's loss and hand-computed numbers."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.losses import SeesawLoss, accuracy

from seesaw.errors import UserError
from seesaw.models.losses.seesaw_loss import SeesawCrossEntropy, SyncedSeesawLoss

P, Q, EPS = 0.8, 2.0, 1e-2


def weights_by_formula(z, labels, counts):
    """S_ij of Eqn 5-7, entry by entry in Python floats."""
    sigma = z.double().softmax(1).tolist()
    n = [max(float(c), 1.0) for c in counts]
    s = torch.ones(z.shape, dtype=torch.float64)
    for r, i in enumerate(labels.tolist()):
        for j in range(z.shape[1]):
            m = min(1.0, (n[j] / n[i]) ** P)
            c = max(1.0, (sigma[r][j] / max(sigma[r][i], EPS)) ** Q)
            s[r, j] = 1.0 if j == i else m * c
    return s


def with_objectness(z):
    return torch.cat([z, z.new_zeros(len(z), 2)], 1)


def class_loss(z, labels, counts, p=P, q=Q, eps=EPS):
    """Sum of the class losses of foreground rows, through the loss under test."""
    return SeesawCrossEntropy.apply(with_objectness(z), labels, counts, p, q, eps)[0].sum()


@pytest.mark.parametrize("scale", [1.0, 3.0, 6.0])
def test_gradient_is_eqn_a1_and_rows_sum_to_zero(scale):
    torch.manual_seed(0)
    z = (scale * torch.randn(40, 23, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(0, 23, (40,))
    counts = torch.randint(0, 3, (23,)).double() * torch.randint(0, 900, (23,))
    assert (counts == 0).any()
    s = weights_by_formula(z.detach(), labels, counts)
    terms = s * z.detach().exp()
    own = terms.gather(1, labels[:, None])
    loss = class_loss(z, labels, counts)
    loss.backward()
    expected = terms / terms.sum(1, keepdim=True) - F.one_hot(labels, 23)
    assert loss.item() == pytest.approx(-(own / terms.sum(1, keepdim=True)).log().sum().item())
    assert (z.grad - expected).abs().max() < 1e-12
    assert z.grad.sum(1).abs().max() < 1e-13


@pytest.mark.parametrize("classes,scale", [(1203, 1.0), (48, 4.0)])
@pytest.mark.parametrize("p,q", [(P, Q), (0.0, Q), (P, 0.0)])
def test_values_and_gradients_of_mmdet(classes, scale, p, q):
    torch.manual_seed(3)
    ours = SyncedSeesawLoss(num_classes=classes, p=p, q=q, loss_weight=0.7)
    theirs = SeesawLoss(num_classes=classes, p=p, q=q, loss_weight=0.7)
    for step in range(3):
        x = (scale * torch.randn(96, classes + 2)).requires_grad_()
        y = x.detach().clone().requires_grad_()
        labels = torch.randint(0, classes + 1, (96,))
        labels[torch.rand(96) < 0.5 if step else torch.arange(0, 96, 2)] = classes
        weights = torch.rand(96) + 0.1
        a = ours(x, labels, weights, avg_factor=90.0)
        b = theirs(y, labels, weights, avg_factor=90.0)
        for key in ("loss_cls_objectness", "loss_cls_classes"):
            assert a[key].item() == pytest.approx(b[key].item(), abs=1e-6, rel=3e-7)
        sum(a.values()).backward()
        sum(b.values()).backward()
        assert (x.grad - y.grad).abs().max() < 1e-6
        assert torch.equal(ours.cum_samples.float(), theirs.cum_samples)
        assert torch.equal(ours.get_activation(x), theirs.get_activation(y))
        for key, value in theirs.get_accuracy(y, labels).items():
            assert ours.get_accuracy(x, labels)[key].item() == pytest.approx(value.item())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_reductions_of_mmdet(reduction):
    torch.manual_seed(4)
    x, labels = torch.randn(12, 9), torch.tensor([0, 1, 6, 7, 7, 2, 2, 3, 7, 7, 5, 4])
    ours, theirs = SyncedSeesawLoss(num_classes=7), SeesawLoss(num_classes=7)
    a, b = (f(x, labels, None, None, reduction) for f in (ours, theirs))
    classes = a["loss_cls_classes"]
    if reduction == "none":
        assert (classes[labels == 7] == 0).all()
        classes = classes[labels < 7]
    assert torch.allclose(classes, b["loss_cls_classes"], atol=1e-6)
    assert torch.allclose(a["loss_cls_objectness"], b["loss_cls_objectness"], atol=1e-6)


def test_without_weights_it_is_cross_entropy_to_the_bit():
    torch.manual_seed(5)
    loss = SyncedSeesawLoss(num_classes=50, p=0.0, q=0.0)
    loss.cum_samples.random_(0, 1000)
    x = torch.randn(64, 52, requires_grad=True)
    labels = torch.randint(0, 50, (64,))
    rows = loss(x, labels, reduction_override="none")["loss_cls_classes"]
    plain = F.cross_entropy(x[:, :50], labels, reduction="none")
    assert torch.equal(rows, plain)
    ours = torch.autograd.grad(rows.sum(), x)[0]
    assert (ours - torch.autograd.grad(plain.sum(), x)[0]).abs().max() < 1e-7
    equal = SeesawCrossEntropy.apply(x, labels, torch.full((50,), 7.0).double(), P, 0.0, EPS)[0]
    assert torch.allclose(equal, plain, atol=1e-6)  # all N equal: M = 1
    on_top = x.detach()[:, :50].argmax(1)
    top = SeesawCrossEntropy.apply(x, on_top, loss.cum_samples[:-1], 0.0, Q, EPS)[0]
    assert torch.allclose(top, F.cross_entropy(x[:, :50], on_top, reduction="none"), atol=1e-6)


def test_two_classes_by_hand():
    """Label 0, N = (16, 1), logits (0, ln 3): sigma = (1/4, 3/4), M = 1/4 for p = 1/2, C = 9."""
    z = torch.tensor([[0.0, math.log(3.0)]], dtype=torch.float64)
    loss = class_loss(z, torch.tensor([0]), torch.tensor([16.0, 1.0]).double(), 0.5, 2.0)
    assert loss.item() == pytest.approx(math.log(1 + 9 / 4 * 3), abs=1e-14)


def test_eps_bounds_the_compensation():
    """sigma = (1e-4, 5e-3, rest), label 0: C is 2500 by the paper, 1 with mmdet's bound 0.01."""
    sigma = torch.tensor([[1e-4, 5e-3, 1 - 5.1e-3]], dtype=torch.float64)
    label, counts = torch.tensor([0]), torch.ones(3).double()
    for eps, c in ((0.0, (2500.0, ((1 - 5.1e-3) / 1e-4) ** 2)), (0.01, (1.0, 99.49**2))):
        expected = math.log(1 + (c[0] * 5e-3 + c[1] * (1 - 5.1e-3)) / 1e-4)
        loss = class_loss(sigma.log(), label, counts, 0.0, 2.0, eps)
        assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_extreme_logits_stay_finite():
    z = torch.tensor([[-1000.0, 1000.0, 0.0]], requires_grad=True)
    for eps in (0.0, EPS):
        loss = class_loss(z, torch.tensor([0]), torch.tensor([1e7, 1.0, 1.0]).double(), P, Q, eps)
        gradient = torch.autograd.grad(loss, z)[0]
        assert loss.isfinite() and gradient.isfinite().all()
        assert gradient[0].tolist() == pytest.approx([-1.0, 1.0, 0.0])


def test_without_positives_the_class_loss_is_zero_and_keeps_its_graph():
    loss = SyncedSeesawLoss(num_classes=5)
    x = torch.randn(8, 7, requires_grad=True)
    out = loss(x, torch.full((8,), 5), torch.ones(8), avg_factor=8.0)
    assert out["loss_cls_classes"].item() == 0
    out["loss_cls_classes"].backward()
    assert torch.equal(x.grad, torch.zeros(8, 7))


def test_ignored_rois_neither_count_nor_learn():
    torch.manual_seed(6)
    loss, reference = SyncedSeesawLoss(num_classes=5), SyncedSeesawLoss(num_classes=5)
    x = torch.randn(4, 7, requires_grad=True)
    labels, weights = torch.tensor([3, -1, 5, 1]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    a = loss(x, labels, weights, avg_factor=2.0)
    b = reference(x[[0, 2]], labels[[0, 2]], avg_factor=2.0)
    assert loss.cum_samples.tolist() == [0, 0, 0, 1, 0, 1]
    for key, value in b.items():
        assert a[key].item() == pytest.approx(value.item(), rel=1e-6)
    gradient = torch.autograd.grad(sum(a.values()), x)[0]
    assert (gradient[[1, 3]] == 0).all() and (gradient[2, :5] == 0).all()
    assert (gradient[0] != 0).all() and (gradient[2, 5:] != 0).all()
    expected = accuracy(x[[0, 2]][:, 5:], torch.tensor([0, 1]))
    heard = loss.get_accuracy(x[:3], labels[:3])["acc_objectness"]
    assert heard.item() == pytest.approx(expected.item())


def test_half_precision_logits_are_computed_in_float32():
    torch.manual_seed(7)
    x, labels = torch.randn(16, 22).half(), torch.randint(0, 21, (16,))
    a, b = (SyncedSeesawLoss(num_classes=20)(v, labels) for v in (x, x.float()))
    assert all(a[k].dtype == torch.float32 and a[k] == b[k] for k in b)


def test_one_tensor_if_not_return_dict():
    x, labels = torch.randn(6, 9), torch.tensor([0, 7, 3, 7, 7, 1])
    parts = SyncedSeesawLoss(num_classes=7)(x, labels)
    total = SyncedSeesawLoss(num_classes=7, return_dict=False)(x, labels)
    assert total.item() == pytest.approx(sum(v.item() for v in parts.values()))


def test_head_and_loss_must_agree():
    with pytest.raises(UserError, match=r"\b80\b.*SyncedSeesawLoss .*\b1203\b"):
        SyncedSeesawLoss().get_cls_channels(80)
    assert SyncedSeesawLoss().get_cls_channels(1203) == 1205
