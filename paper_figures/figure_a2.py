# %% [markdown]
# # Figure A2: AP of each category
#
# The 16 cells of the main paper's Table 1: two frameworks and two samplers (the panels), four
# losses (the curves), ResNet-101-FPN, 2x, no Norm Mask (supplementary, section 3). Categories are
# sorted by their number of training instances. A category that val does not hold leaves a gap.
#
# The claim: Seesaw Loss is strong on all frequencies, for each framework and sampler.

# %% tags=["parameters"]
SCALE = "mini"
DATASET = None

# %%
import os

while not os.path.isdir("configs") and os.getcwd() != os.path.dirname(os.getcwd()):
    os.chdir("..")  # Jupyter starts in the notebook's folder

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

from seesaw.results.figures.per_category import panels, running_mean
from seesaw.results.figures.results import Results, table
from seesaw.results.figures.style import COLOURS, DASHES, NAMES, PAGE, band, footnote, save, use
from seesaw.spec import paper

use()
results = Results("figure_a2", SCALE, DATASET)
display(Markdown(f"**{results.scale.full_name} scale.**\n\n{results.markdown()}"))

# %%
categories = results.categories
groups = [category.group for category in categories]
cells = panels(results)
# One category's AP is noisy: lines are a running mean over a tenth of the categories, points are
# the values themselves.
WINDOW = len(categories) // 20 * 2 + 1

# %%
figure, axes = plt.subplots(2, 2, figsize=(PAGE, 4.6), sharey=True)
x = np.arange(len(categories))
few = len(x) < 200
points = {"s": 8 if few else 1.5, "alpha": 0.35, "linewidth": 0, "rasterized": not few}
for ax, ((framework, sampler), curves) in zip(axes.flat, cells.items(), strict=False):
    for curve in curves:
        colour, name = COLOURS[curve.method], NAMES[curve.method]
        look = {"color": colour, "dashes": DASHES[curve.method]}
        if curve.state:
            ax.plot([], [], **look, label=f"{name} {curve.state}")
            continue
        front = curve.method == "Seesaw"
        ax.scatter(x, curve.ap, color=colour, **points)
        line = running_mean(curve.ap, WINDOW)
        look |= {"linewidth": 1.7 if front else 1.2, "zorder": 3 if front else 2}
        ax.plot(x, line, **look, label=f"{name} {curve.overall['AP']:.1f}")
    ax.set_title(f"{framework}, {sampler} sampler", loc="left", pad=17)
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 0.99), "borderpad": 0}
    ax.legend(
        ncols=4, **place, fontsize=6.5, handlelength=1.8, handletextpad=0.4, columnspacing=1.0
    ).set_in_layout(False)
    band(ax, groups)
for ax in axes.flat[len(cells) :]:  # a scale may have some of the panels only
    ax.set_visible(False)
for ax in axes[:, 0]:
    ax.set_ylabel("AP of the category")
for ax in axes[1]:
    ax.set_xlabel("Sorted category index")
axes[0, 0].set_ylim(bottom=0)
figure.tight_layout(h_pad=1.4, w_pad=1.5)
lines = f"lines: running mean over {WINDOW} categories; " if WINDOW > 1 else ""
footnote(figure, f"{lines}legend: AP · {results.caption}")
plt.show()

# %% [markdown]
# The cells with the main paper's numbers. Those are of LVIS v1: at another scale only the sign of
# a loss's step over cross-entropy in its panel is compared (✓ same sign, ✗ not), and on other data
# nothing is.

# %%
values = paper.load()
rows = []
for (framework, sampler), curves in cells.items():
    reference = next((c for c in curves if c.method == "CE"), None)
    base = reference.overall.get("AP_r") if reference else None
    for curve in curves:
        printed = values.row(curve.evaluation)
        row = [f"{framework}, {sampler}, {NAMES[curve.method]}"]
        for key in ("AP", "AP_r", "AP_c", "AP_f", "AP_box"):
            ours = curve.overall.get(key)
            row.append(curve.state or ("–" if ours is None else f"{ours:.1f}"))
        row += [f"{printed[key]:.1f}" for key in ("AP", "AP_r")]
        ours = curve.overall.get("AP_r")
        if curve.method != "CE" and None not in (ours, base):
            step = ours - base
            step_paper = printed["AP_r"] - values.row(reference.evaluation)["AP_r"]
            mark = " ✓" if step * step_paper > 0 else " ✗"
            own = results.scale.full_name != results.scale.name
            row.append(f"{step:+.1f} ({step_paper:+.1f}){'' if own else mark}")
        else:
            row.append("")
        rows.append(row)
head = ["cell", "AP", "AP_r", "AP_c", "AP_f", "AP_box", "paper: AP", "paper: AP_r"]
display(Markdown(table([*head, "step of AP_r (paper)"], rows)))

# %%
save(
    "figure_a2",
    figure,
    [
        {
            "index": i,
            "category": category.id,
            "name": category.name,
            "group": category.group,
            "instances": category.instances,
            "framework": framework,
            "sampler": sampler,
            "loss": curve.method,
            "state": curve.state or "done",
            "AP": None if curve.state or np.isnan(curve.ap[i]) else float(curve.ap[i]),
        }
        for (framework, sampler), curves in cells.items()
        for curve in curves
        for i, category in enumerate(categories)
    ],
)
