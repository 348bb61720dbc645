# %% [markdown]
# # Figure A1: cumulative gradients of positive and negative samples
#
# Mask R-CNN, random sampler, 2x. For each category $i$ the gradients $|\partial L/\partial z_i|$
# on its logit are added up over the whole training: those of its own RoIs (positive) and those of
# all others (negative). The figure shows positive over negative, categories sorted by their number
# of training instances (supplementary, section 2).
#
# The claim: with cross-entropy the ratio collapses on the tail, with Seesaw Loss it does not.

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

from seesaw.results.figures.gradients import gradients
from seesaw.results.figures.results import Results, table
from seesaw.results.figures.style import COLOURS, GROUP_NAMES, PAGE, band, footnote, save, use

use()
results = Results("figure_a1", SCALE, DATASET)
display(Markdown(f"**{results.scale.full_name} scale.**\n\n{results.markdown()}"))

# %%
METHODS = {"Cross-Entropy Loss": "CE", "Seesaw Loss": "Seesaw"}
categories = results.categories
groups = [category.group for category in categories]
found, notes = {}, []
for cell in results.table.place_cells("figure_a1"):
    if state := results.state(cell.evaluation):
        notes.append(f"{cell.label}: {state}")
    else:
        found[cell.label] = gradients(results.of(cell.evaluation), categories)

# %% [markdown]
# All negatives count, background RoIs too. With cross-entropy these are most of the negatives
# (dotted: without them). Seesaw Loss shows background to its objectness logits only, so both
# readings are one. A category of which no RoI was ever sampled has the ratio 0 and leaves a gap on
# the log scale.

# %%
figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.35))
x = np.arange(len(categories))
few = len(x) < 200  # else points only: lines between so many neighbours hide each other
looks = {
    "ratio": {"marker": "o", "markersize": 2.4, "linewidth": 0.9}
    if few
    else {"marker": "o", "markersize": 1.7, "markeredgewidth": 0, "linestyle": ""},
    "foreground": {"linestyle": ":", "linewidth": 1.1}
    if few
    else {"marker": "o", "markersize": 0.9, "markeredgewidth": 0, "linestyle": "", "alpha": 0.6},
}
for ax, scale in zip(axes, ("linear", "log"), strict=True):
    for label, sums in found.items():
        colour = COLOURS[METHODS[label]]
        values = np.where(np.isfinite(sums.ratio), sums.ratio, np.nan)
        ax.plot(x, values, color=colour, label=label, **looks["ratio"])
        if sums.negative_background.any():
            values = np.where(np.isfinite(sums.foreground_ratio), sums.foreground_ratio, np.nan)
            name = f"{label}, foreground RoIs only"
            ax.plot(x, values, color=colour, label=name, **looks["foreground"])
    ax.axhline(1, color="#8A9096", linewidth=0.6, zorder=0.9)
    ax.set_yscale(scale, **({"nonpositive": "mask"} if scale == "log" else {}))
    ax.set_xlabel("Sorted category index")
    band(ax, groups)
axes[0].set_ylim(bottom=0)
axes[0].set_ylabel("Cumulative gradients,\npositive / negative")
handles, names = axes[0].get_legend_handles_labels()
figure.tight_layout(w_pad=1.5, rect=(0, 0, 1, 0.92))
figure.legend(handles, names, loc="upper center", ncols=3, markerscale=1 if few else 3)
footnote(figure, " · ".join([results.caption, *notes]))
plt.show()

# %% [markdown]
# Of a group: its positive gradients over its negative ones, both summed.

# %%
rows = [
    [label, *(f"{sums.pooled(np.array(groups) == group):.3f}" for group in GROUP_NAMES)]
    for label, sums in found.items()
]
rows += [[*note.split(": "), "", ""] for note in notes]
display(Markdown(table(["loss", *GROUP_NAMES.values()], rows)))


# %%
def cell(value):
    return float(value) if np.isfinite(value) else None


save(
    "figure_a1",
    figure,
    [
        {
            "index": i,
            "category": category.id,
            "name": category.name,
            "group": category.group,
            "instances": category.instances,
            "loss": METHODS[label],
            "positive": cell(sums.positive[i]),
            "negative_foreground": cell(sums.negative_foreground[i]),
            "negative_background": cell(sums.negative_background[i]),
            "ratio": cell(sums.ratio[i]),
            "foreground_ratio": cell(sums.foreground_ratio[i]),
        }
        for label, sums in found.items()
        for i, category in enumerate(categories)
    ],
)
