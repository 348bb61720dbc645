# %% [markdown]
# # The gradients of Seesaw Loss
#
# Section 1 of the supplementary states the gradient that a RoI of category $i$ puts on the logit of
# another category $j$ (A1) and that it grows with $\mathcal{S}_{ij}$ (A2). Here both are derived
# symbolically, compared with autograd on the loss that the trainings use, and drawn.

# %% tags=["parameters"]
SCALE = "mini"
DATASET = None

# %%
import os

while not os.path.isdir("configs") and os.getcwd() != os.path.dirname(os.getcwd()):
    os.chdir("..")  # Jupyter starts in the notebook's folder

import matplotlib.pyplot as plt
import numpy as np
import sympy
import torch
from IPython.display import Markdown, Math, display
from matplotlib.colors import LogNorm

from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss, seesaw_logits
from seesaw.results.figures.derivation import equations, factors, gradient, loss_gradient, second
from seesaw.results.figures.results import Results, table
from seesaw.results.figures.style import COLOURS, PAGE, footnote, save, use
from seesaw.spec.config import resolve
from seesaw.spec.experiments import config_file
from seesaw.spec.scales import Scale

use()
results = Results("gradient_analysis", SCALE, DATASET)
display(
    Markdown(
        f"**{results.scale.full_name} scale** (for the category counts).\n\n{results.markdown()}"
    )
)

# %% [markdown]
# ## Symbolically
#
# $R$ stands for $\sum_{k \ne i,j} \mathcal{S}_{ik} e^{z_k}$, so the result holds for any number of
# categories. $\mathcal{S}_{ij}$ is a constant to the gradient, as in the released code.

# %%
eq = equations()
display(Math(f"L = {sympy.latex(eq.loss)}"))
derived = sympy.diff(eq.loss, eq.z_j)
display(Math(rf"\frac{{\partial L}}{{\partial z_j}} = {sympy.latex(sympy.simplify(derived))}"))
assert sympy.simplify(derived - eq.a1) == 0  # Eqn A1

# %%
slope = sympy.diff(derived, eq.s)
display(
    Math(
        r"\frac{\partial}{\partial S_{ij}} \frac{\partial L}{\partial z_j} = "
        + sympy.latex(sympy.factor(sympy.simplify(slope)))
    )
)
assert sympy.simplify(slope - eq.a2) == 0  # Eqn A2
assert eq.a2.is_positive

# %% [markdown]
# Two consequences that the paper does not spell out. The gradients of a RoI add up to zero, so what
# is spared the others is spared the label: its own pull $1 - \hat\sigma_i$ shrinks too. And a
# smaller $\mathcal{S}_{ij}$ *raises* the gradient on every third category $k$.

# %%
z_k, s_k, rest = sympy.symbols("z_k S_ik R", positive=True)
denominator = eq.s * sympy.exp(eq.z_j) + s_k * sympy.exp(z_k) + rest + sympy.exp(eq.z_i)
third = sympy.diff(s_k * sympy.exp(z_k) / denominator, eq.s)
display(
    Math(
        r"\frac{\partial}{\partial S_{ij}} \frac{\partial L}{\partial z_k} = "
        + sympy.latex(sympy.factor(third))
    )
)
assert third.is_negative

# %% [markdown]
# ## Against autograd
#
# The loss module of the trainings in float64, with the paper's $p$ and $q$: random logits of three
# spreads, and counts over five decades, some of them zero. `factors` spells out the main paper's
# Eqns 6 and 7, `gradient` is A1 and `second` is A2. Autograd must give A1. $\mathcal{S}_{ij}$ is no
# argument of the module, but $N_j$ moves it: $\partial \mathcal{S}_{ij} / \partial N_j =
# p\,\mathcal{S}_{ij} / N_j$ where $N_j < N_i$. So autograd's gradient at two values of $N_j$ must
# differ by A2 times that.

# %%
config = resolve(config_file("mask_rcnn_random_seesaw"), Scale("paper"), register=False)
settings = config.model.roi_head.bbox_head.loss_cls
P, Q, EPS = settings.get("p", 0.8), settings.get("q", 2.0), settings.get("eps", 1e-2)
C, N, J = 40, 64, 20  # categories, RoIs, the category whose count moves
generator = torch.Generator().manual_seed(0)
counts = torch.logspace(0, 5, C, dtype=torch.float64).round()
counts[::7] = 0


def autograd(logits, labels, counts):
    loss = SyncedSeesawLoss(num_classes=C, p=P, q=Q, eps=EPS).double().eval()
    loss.cum_samples[:C] = counts
    return loss_gradient(loss, logits, labels)[:, :C].numpy()


lines = []
for spread in (1, 3, 6):
    logits = spread * torch.randn(N, C + 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(C, (N,), generator=generator)
    z, y = logits[:, :C].numpy(), labels.numpy()
    m, c = factors(z, y, counts.numpy(), P, Q, EPS)
    a1 = gradient(z, y, m * c)
    a2 = second(z, y, m * c)[:, J]
    error = np.abs(autograd(logits, labels, counts) - a1).max()

    step = 1e-4 * counts * (torch.arange(C) == J)
    moved = (autograd(logits, labels, counts + step) - autograd(logits, labels, counts - step))[
        :, J
    ]
    frequent = counts.numpy()[y] > counts[J].item() * 1.01
    expected = (a2 * P * (m * c)[:, J] / counts[J].item())[frequent]
    error_2 = np.abs(moved[frequent] / (2 * step[J].item()) / expected - 1).max()
    assert error < 1e-12 and error_2 < 1e-6 and (a2[y != J] > 0).all()
    lines.append([f"{spread}", "< 1e-12", "< 1e-6"])
head = ["spread of the logits", "A1, largest error", "A2, largest relative error"]
display(Markdown(table(head, lines)))

# %% [markdown]
# ## What shapes $\mathcal{S}_{ij}$
#
# (a) The mitigation factor $\mathcal{M}_{ij}$ falls with the ratio of the counts, the faster the
# larger $p$; it never favours a more frequent category. (b) The compensation factor
# $\mathcal{C}_{ij}$ restores the penalty on a category that is mistaken for the label; the released
# code bounds $\sigma_i$ from below, which caps it (dotted). (c) $\mathcal{M}_{ij}$ between all
# categories of this training set. (d) A1 over $\mathcal{S}_{ij}$: its slope, A2, is positive
# everywhere. Cross-entropy is $\mathcal{S}_{ij} = 1$. Rings are the loss module's own factors.

# %%
rows = []


def curve(ax, panel, name, x, y, **look):
    ax.plot(x, y, label=name, **look)
    rows.extend(
        {"panel": panel, "curve": name, "x": float(a), "y": float(b)}
        for a, b in zip(x, y, strict=True)
    )


def module(logits, counts):
    """S_01 of the loss module for one RoI of category 0."""
    label = torch.zeros(1, dtype=torch.long)
    z = torch.tensor([logits], dtype=torch.float64)
    log = seesaw_logits(z, label, torch.tensor(counts, dtype=torch.float64), P, Q, EPS) - z
    return (log[0, 1] - log[0, 0]).exp().item()


SHADES = {0: "#F2C6A5", 1: "#E89A62", 2: COLOURS["Seesaw"], 3: "#7A3600"}
figure, axes = plt.subplots(1, 4, figsize=(PAGE, 1.95))
ratio = np.logspace(-3, 1, 81)
for shade, p in zip(SHADES.values(), (0, 0.4, 0.8, 1.2), strict=True):
    width = 1.8 if p == P else 1.0
    curve(axes[0], "a", f"$p={p}$", ratio, np.minimum(1, ratio**p), color=shade, linewidth=width)
some = [0.001, 0.01, 0.1, 1, 10]
ring = {"linestyle": "", "marker": "o", "markersize": 3.5, "markerfacecolor": "white"}
ring |= {"color": COLOURS["Seesaw"], "zorder": 4}
curve(axes[0], "a", "module", some, [module([0, 0], [1e4, 1e4 * r]) for r in some], **ring)
axes[0].set(xscale="log", yscale="log", ylim=(1e-3, 3))
axes[0].set(xlabel=r"$N_j\,/\,N_i$", title=r"(a) mitigation $\mathcal{M}_{ij}$")

ratio = np.logspace(-1, 2, 91)
for shade, q in zip(SHADES.values(), (0, 1, 2, 3), strict=True):
    width = 1.8 if q == Q else 1.0
    curve(axes[1], "b", f"$q={q}$", ratio, np.maximum(1, ratio**q), color=shade, linewidth=width)
sigma = 0.002
bounded = np.maximum(1, ratio * sigma / max(sigma, EPS)) ** Q
curve(axes[1], "b", rf"$\sigma_i={sigma}$", ratio, bounded, color=SHADES[2], linestyle=":")
some = [0.1, 1, 3, 10, 30]
mine = [module(np.log([0.03, 0.03 * r, 1 - 0.03 * (1 + r)]), [1, 1, 1]) for r in some]
curve(axes[1], "b", "module", some, mine, **ring)
axes[1].set(xscale="log", yscale="log", ylim=(0.5, 3e5))
axes[1].set(xlabel=r"$\sigma_j\,/\,\sigma_i$", title=r"(b) compensation $\mathcal{C}_{ij}$")

instances = np.array([category.instances for category in results.categories])
z = np.zeros((len(instances), len(instances)))
m, _ = factors(z, np.arange(len(instances)), instances, P, Q, EPS)
image = axes[2].imshow(m, norm=LogNorm(), cmap="cividis", interpolation="nearest")
axes[2].set(
    xlabel="category $j$", ylabel="category $i$", title=r"(c) $\mathcal{M}_{ij}$, this data"
)
axes[2].grid(False)
figure.colorbar(image, ax=axes[2], fraction=0.046, pad=0.05).outline.set_visible(False)
rows += [{"panel": "c", "curve": "instances", "x": i, "y": int(n)} for i, n in enumerate(instances)]

s = np.logspace(-3, 2, 101)
value = sympy.lambdify((eq.z_i, eq.z_j, eq.s, eq.rest), eq.a1, "numpy")
for shade, gap in zip((SHADES[0], SHADES[2], SHADES[3]), (-2, 0, 2), strict=True):
    curve(axes[3], "d", f"$z_j - z_i = {gap}$", s, value(0, gap, s, 1), color=shade)
axes[3].axvline(1, color="#8A9096", linewidth=0.6, zorder=0.9)
axes[3].set(xscale="log", yscale="log", ylim=(1e-4, 2))
axes[3].set(xlabel=r"$\mathcal{S}_{ij}$", title=r"(d) $\partial L\,/\,\partial z_j$")
for ax in (axes[0], axes[1], axes[3]):
    ax.legend(fontsize=6, handlelength=1.3, labelspacing=0.25, borderpad=0.1)
figure.tight_layout(w_pad=0.6)
footnote(figure, f"p = {P}, q = {Q}; (c): {results.caption}")
plt.show()
save("gradient_analysis", figure, rows)
