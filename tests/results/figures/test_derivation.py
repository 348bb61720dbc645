"""Equations A1 and A2: the symbols against autograd on the real loss, in float64."""

import numpy as np
import pytest
import sympy
import torch

from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss
from seesaw.results.figures.derivation import equations, factors, gradient, loss_gradient, second

P, Q, EPS = 0.8, 2.0, 1e-2


def test_the_papers_equations_follow_from_the_loss():
    eq = equations()
    derived = sympy.diff(eq.loss, eq.z_j)
    assert sympy.simplify(derived - eq.a1) == 0
    assert sympy.simplify(sympy.diff(derived, eq.s) - eq.a2) == 0
    assert eq.a2.is_positive


def test_factors_of_a_hand_made_case():
    logits = np.log([[0.1, 0.7, 0.2], [0.001, 0.5, 0.499]])
    m, c = factors(logits, np.array([0, 0]), np.array([16.0, 0.0, 81.0]), 0.5, 2.0, 0.01)
    np.testing.assert_allclose(m, [[1, 1 / 4, 1]] * 2, rtol=1e-14)  # no sample counts as one
    np.testing.assert_allclose(c, [[1, 49, 4], [1, 2500, 49.9**2]], rtol=1e-12)


@pytest.mark.parametrize("spread", [1, 3, 6])
def test_equations_are_autograds_on_the_real_loss(spread):
    classes, rois = 15, 40
    generator = torch.Generator().manual_seed(spread)
    cls_score = spread * torch.randn(rois, classes + 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rois,), generator=generator)
    counts = torch.logspace(0, 4, classes, dtype=torch.float64).round()
    counts[::4] = 0
    loss = SyncedSeesawLoss(num_classes=classes, p=P, q=Q, eps=EPS).double().eval()
    loss.cum_samples[:classes] = counts
    found = loss_gradient(loss, cls_score, labels)[:, :classes].numpy()
    z, y = cls_score[:, :classes].numpy(), labels.numpy()
    m, c = factors(z, y, counts.numpy(), P, Q, EPS)
    s = m * c
    rows = np.arange(rois)
    np.testing.assert_allclose(found, gradient(z, y, s), rtol=1e-10, atol=1e-14)

    # the symbols, with the sum over all other categories as R
    eq = equations()
    a1, a2 = (sympy.lambdify((eq.z_i, eq.z_j, eq.s, eq.rest), e, "numpy") for e in (eq.a1, eq.a2))
    others = (s * np.exp(z)).sum(1) - (s * np.exp(z))[rows, y]
    slopes = second(z, y, s)
    for j in range(classes):
        off = y != j
        rest = others - (s * np.exp(z))[:, j]
        arguments = z[rows, y][off], z[off, j], s[off, j], rest[off].clip(0)
        np.testing.assert_allclose(found[off, j], a1(*arguments), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(slopes[off, j], a2(*arguments), rtol=1e-9, atol=1e-14)
    assert (slopes[~np.isnan(slopes)] > 0).all() and np.isnan(slopes[rows, y]).all()


def test_a2_is_autograds_derivative_by_s():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 4, 0])
    s = torch.rand(6, 5, generator=generator, dtype=torch.float64).requires_grad_(True)
    own = torch.nn.functional.one_hot(y, 5).bool()
    share = torch.where(own, 1.0, s) * z.exp()
    picked = (y + 1) % 5
    (share / share.sum(1, keepdim=True))[range(6), picked].sum().backward()
    ours = second(z.numpy(), y.numpy(), torch.where(own, 1.0, s).detach().numpy())
    np.testing.assert_allclose(ours[range(6), picked], s.grad[range(6), picked].numpy(), rtol=1e-12)
