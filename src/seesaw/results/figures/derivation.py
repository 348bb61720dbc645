"""Equations A1 and A2 of the supplementary, as symbols and as numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sympy
from torch import Tensor


class Equations(NamedTuple):
    """The equations in section 1 of the supplementary, and the loss from which they are derived.

    Category i is the label and j another one. ``rest`` is the sum of S_ik e^{z_k} over all other
    categories, so that the equations hold for any number of categories.
    """

    z_i: sympy.Symbol  # logit of the label
    z_j: sympy.Symbol  # logit of the other category
    s: sympy.Symbol  # S_ij > 0, treated as a constant in the gradient
    rest: sympy.Symbol  # the other categories' part of the denominator, >= 0
    loss: sympy.Expr  # Seesaw Loss of one RoI (main paper, Eqn 4)
    a1: sympy.Expr  # gradient with respect to z_j (Eqn A1)
    a2: sympy.Expr  # derivative of ``a1`` with respect to S_ij (Eqn A2)


def equations() -> Equations:
    """Return the loss and Eqns A1 and A2 as the paper prints them; the notebook derives them."""
    z_i, z_j = sympy.symbols("z_i z_j", real=True)
    s = sympy.Symbol("S_ij", positive=True)
    rest = sympy.Symbol("R", nonnegative=True)
    denominator = s * sympy.exp(z_j) + rest + sympy.exp(z_i)
    sigma_hat = sympy.exp(z_i) / denominator
    return Equations(
        z_i,
        z_j,
        s,
        rest,
        loss=-sympy.log(sigma_hat),
        a1=s * sympy.exp(z_j) / sympy.exp(z_i) * sigma_hat,
        a2=sympy.exp(z_j) * (rest + sympy.exp(z_i)) / denominator**2,
    )


def factors(
    logits: np.ndarray, labels: np.ndarray, counts: np.ndarray, p: float, q: float, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mitigation M_ij and compensation C_ij of the main paper's Eqns 6 and 7.

    Args:
        logits: Class logits, (N, C).
        labels: The RoIs' categories i, (N,).
        counts: Cumulative samples, (C,); a category without any sample counts as having one.
        p: Exponent of M.
        q: Exponent of C.
        eps: Lower bound of sigma_i, which mmdet adds to Eqn 7.

    Returns:
        M and C, (N, C) each; S is their product.
    """
    n = np.maximum(counts, 1)
    mitigation = np.minimum(1, (n[None] / n[labels][:, None]) ** p)
    sigma = np.exp(logits - logits.max(1, keepdims=True))
    sigma /= sigma.sum(1, keepdims=True)
    own = np.maximum(sigma[np.arange(len(labels)), labels], eps)
    return mitigation, np.maximum(1, (sigma / own[:, None]) ** q)


def gradient(logits: np.ndarray, labels: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Return dL/dz of each RoI, (N, C): Eqn A1 for j != i, sigma_hat_i - 1 for the label.

    Args:
        logits: Class logits, (N, C).
        labels: The RoIs' categories i, (N,).
        s: S_ij, (N, C), 1 at the label.
    """
    rows = np.arange(len(labels))
    e = np.exp(logits)
    own = e[rows, labels][:, None]
    sigma_hat = own / ((s * e).sum(1, keepdims=True) - s[rows, labels][:, None] * own + own)
    result = s * e / own * sigma_hat
    result[rows, labels] = sigma_hat[:, 0] - 1
    return result


def second(logits: np.ndarray, labels: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Return Eqn A2, d(dL/dz_j)/dS_ij, (N, C); NaN at the label, where S is constant."""
    rows = np.arange(len(labels))
    e = np.exp(logits)
    weighted = s * e
    weighted[rows, labels] = e[rows, labels]
    total = weighted.sum(1, keepdims=True)
    result = e * (total - weighted) / total**2
    result[rows, labels] = np.nan
    return result


def loss_gradient(loss, cls_score: Tensor, labels: Tensor) -> Tensor:
    """Return autograd's gradient of a Seesaw loss module on its logits, (N, C + 2)."""
    leaf = cls_score.detach().clone().requires_grad_(True)
    out = loss(leaf, labels, reduction_override="sum")
    total: Any = sum(out.values()) if isinstance(out, dict) else out
    total.backward()
    return leaf.grad
