# %% [markdown]
# # Where AP50 is lost, and what rare objects are taken for
#
# The last step of Table A1 before Seesaw Loss, and the one with it. Upper row: by how much AP50 of
# masks would rise if one type of error alone were mended (the types of TIDE, Bolya et al., 2020;
# `seesaw errors` explains them). Lower row: for each object of a rare category, the category of the
# best-scored detection on it. This figure is not in the paper.
#
# The claim: rare objects are found, but named as a frequent category that looks like them; Seesaw
# Loss mends that.

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

from seesaw.core.borders import plain
from seesaw.evaluation.errors import TYPES
from seesaw.results.figures.errors import NAMES as CALLED
from seesaw.results.figures.errors import averaged, called
from seesaw.results.figures.results import Results, table
from seesaw.results.figures.style import COLOURS, GROUP_NAMES, PAGE, footnote, save, use

use()
plt.rcParams["text.parse_math"] = False  # a category's name may have dollars
results = Results("error_analysis", SCALE, DATASET)
display(Markdown(f"**{results.scale.full_name} scale.**\n\n{results.markdown()}"))

# %%
METHODS = {"Cross-Entropy Loss": "CE", "Seesaw Loss": "Seesaw"}
categories = results.categories
found, notes = {}, []
for cell in results.table.place_cells("error_analysis"):
    if state := results.state(cell.evaluation):
        notes.append(f"{cell.label}: {state}")
    else:
        found[cell.label] = averaged(results.of(cell.evaluation))
rare = called(found, categories, most=12)

# %%
figure = plt.figure(figsize=(PAGE, 4.3))
rows = figure.subfigures(2, 1, height_ratios=(1, 1.15))
for ax, (group, name) in zip(rows[0].subplots(1, 3, sharey=True), GROUP_NAMES.items(), strict=True):
    for n, (label, content) in enumerate(found.items()):
        costs = [100 * (values[group] or 0) for values in content["cost"].values()]
        x = np.arange(len(costs)) + 0.38 * (n - 0.5)
        level = content["AP50"][group]
        shown = f"{label}: " + ("–" if level is None else f"{100 * level:.1f}")
        ax.bar(x, costs, 0.36, color=COLOURS[METHODS[label]], label=shown)
        ax.set_xticks(np.arange(len(costs)), list(content["cost"]), rotation=35, ha="right")
    ax.set_title(f"{name}: AP50", loc="left", fontsize=7.5)
    ax.legend(fontsize=6.5, handlelength=1.0)
    ax.grid(False, axis="x")
rows[0].axes[0].set_ylabel("AP50 gained\nif mended")
axes = rows[1].subplots(1, max(len(found), 1), sharey=True, squeeze=False)[0]
shades = {"own": "#0072B2", "look-alike": "#4D4D4D", "another": "#A6AEB7", "none": "#E9EDF2"}
for ax, label in zip(axes, found, strict=False):
    y, left = np.arange(len(rare)), np.zeros(len(rare))
    for name in CALLED:
        share = np.array([row.share(label, name) for row in rare])
        ax.barh(y, share, left=left, color=shades[name], height=0.78, label=name)
        left += share
    for at, row in enumerate(rare):
        share = row.share(label, "look-alike")
        if share > 0.25:
            middle = row.share(label, "own") + share / 2
            look = {"color": "white", "fontsize": 5.5, "va": "center", "ha": "center"}
            ax.text(middle, at, plain(row.look_alike, 16), **look)
    ax.set_yticks(y, [f"{plain(row.name, 18)} ({row.objects})" for row in rare], fontsize=6)
    ax.set_title(f"{label}: share of the objects", loc="left", fontsize=7.5)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75])
    ax.grid(False)
if rare:
    axes[0].invert_yaxis()
    axes[0].legend(ncols=4, loc="upper left", bbox_to_anchor=(-0.02, -0.1), fontsize=6.5)
rows[0].subplots_adjust(left=0.09, right=0.99, top=0.88, bottom=0.36, wspace=0.06)
rows[1].subplots_adjust(left=0.16, right=0.99, top=0.9, bottom=0.16, wspace=0.04)
footnote(figure, " · ".join(["(number of objects)", results.caption, *notes]))
plt.show()


# %%
def points(cost):
    return "–" if cost is None else f"{100 * cost:+.1f}"


display(
    Markdown(
        table(
            ["error", *(f"{label}, {name}" for name in GROUP_NAMES.values() for label in found)],
            [
                [kind, *(points(c["cost"][kind][g]) for g in GROUP_NAMES for c in found.values())]
                for kind in TYPES
            ],
        )
    )
)

# %%
save(
    "error_analysis",
    figure,
    [
        {"loss": METHODS[label], "row": kind, "of": group, "AP50": values[group], "objects": None}
        for label, content in found.items()
        for kind, values in {"AP50": content["AP50"], **content["cost"]}.items()
        for group in ("all", *GROUP_NAMES)
    ]
    + [
        {"loss": METHODS[label], "row": name, "of": row.name, "AP50": None, "objects": n}
        for label in found
        for row in rare
        for name, n in row.taken[label].items()
    ],
)
