# %% [markdown]
# # Explore the results
#
# Choose two experiments and a category below, then run all cells. Your own results are shown where
# both experiments have been evaluated, otherwise the committed reference results, which hold the
# losses of the trainings, but of the images only those of the report.

# %% tags=["parameters"]
SCALE = "mini"
DATASET = None
A, B = "a09", "a10"
CATEGORY = None  # a name; None: the rare category whose AP rises most from A to B

# %%
import math
import os

while not os.path.isdir("configs") and os.getcwd() != os.path.dirname(os.getcwd()):
    os.chdir("..")  # Jupyter starts in the notebook's folder

import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import Image, Markdown, display

from seesaw.core.borders import drawing, plain
from seesaw.core.json import read_json
from seesaw.core.names import unique
from seesaw.errors import UserError
from seesaw.results.comparison import categories, pictures
from seesaw.results.figures.results import table
from seesaw.results.figures.style import COLOURS, GROUP_NAMES, use
from seesaw.results.report import examples, losses
from seesaw.results.tables.formats import markdown_escape
from seesaw.spec.outputs import Counts, Errors, Metrics
from seesaw.spec.scales import Scale
from seesaw.training import run_log

use()
scale = Scale(SCALE, DATASET)
a, b = (scale.table.evaluation(name) for name in (A, B))
live = all(scale.metrics(e, scale.table.seeds(e.id)[0]).is_file() for e in (a, b))
shown = scale if live else scale.frozen()


def first(path, evaluation):
    """A file of an evaluation's first seed."""
    return path(evaluation, scale.table.seeds(evaluation.id)[0])


def per_category(evaluation):
    """Category id -> AP of masks in percent."""
    metrics = read_json(first(shown.metrics, evaluation), Metrics, "run `make reproduce`")
    ap = metrics["per_category"]["segm"]
    return {int(i): 100 * value for i, value in ap.items() if value is not None}


counts_file = shown.entry.category_counts if live else shown.reference / "category_counts.json"
counts = read_json(counts_file, Counts, "run `seesaw data`")
known = {c["id"]: c for c in counts["categories"]}
ap_a, ap_b = per_category(a), per_category(b)
display(Markdown(f"**{scale.full_name} scale, {'your own' if live else 'the reference'} results**"))

# %% [markdown]
# ## All categories

# %%
figure, ax = plt.subplots(figsize=(3.6, 3.4))
for group, marker in zip("rcf", "os^", strict=True):
    ids = [i for i in ap_a if known[i]["frequency"] == group]
    points = [ap_a[i] for i in ids], [ap_b[i] for i in ids]
    ax.scatter(*points, s=16, marker=marker, label=GROUP_NAMES[group])
ax.axline((0, 0), slope=1, color="#8A9096", linewidth=0.6)
ax.set_xlabel(f"AP of {a.id}")
ax.set_ylabel(f"AP of {b.id}")
ax.legend()
plt.show()

by_gain = sorted(ap_a, key=lambda i: ap_a[i] - ap_b[i])  # the largest gain first
rows = []
for i in dict.fromkeys([*by_gain[:5], *by_gain[-5:]]):  # each once, of fewer than ten
    aps = f"{ap_a[i]:.1f}", f"{ap_b[i]:.1f}", f"{ap_b[i] - ap_a[i]:+.1f}"
    name = markdown_escape(plain(known[i]["name"]))
    rows.append([name, GROUP_NAMES[known[i]["frequency"]], *aps])
display(Markdown(table(["category", "group", "AP of A", "AP of B", "B - A"], rows)))

# %% [markdown]
# ## One category in all evaluations

# %%
names = {c["name"]: i for i, c in known.items()}
rare = [i for i in by_gain if known[i]["frequency"] == "r"]
category = (rare or by_gain)[0]
if CATEGORY:
    category = names[unique(CATEGORY, names, f"{counts_file}: the category")]
found = {
    e.id: per_category(e).get(category)
    for e in scale.table.evaluations.values()
    if e.split == "val" and first(shown.metrics, e).is_file()
}
colours = [COLOURS["Seesaw" if name in (a.id, b.id) else "CE"] for name in found]
title = f"AP of {plain(known[category]['name'])} ({GROUP_NAMES[known[category]['frequency']]})"
with drawing():  # a category's name is part of it
    figure, ax = plt.subplots(figsize=(6.88, 0.17 * len(found) + 0.5))
# an undefined AP, of a category without an object, is no bar
ax.barh(list(found), [math.nan if v is None else v for v in found.values()], color=colours)
ax.invert_yaxis()
ax.set_xlabel(title)
plt.show()

# %% [markdown]
# ## Errors
#
# By how much AP50 would rise if one type of error were mended: `seesaw errors`.

# %%
files = {e.id: first(shown.errors, e) for e in (a, b)}
if lacking := [name for name, file in files.items() if not file.is_file()]:
    display(Markdown(f"Not computed: run `seesaw errors {' '.join(lacking)} {scale.options}`."))
else:
    again = "run `seesaw errors` again"
    errors = {name: read_json(file, Errors, again) for name, file in files.items()}
    head = ["mended", *(f"{name}, {g}" for name in errors for g in ("all", "rare"))]
    rows = [
        [
            kind,
            *(
                "–" if (cost := e["cost"][kind][g]) is None else f"{100 * cost:+.1f}"
                for e in errors.values()
                for g in ("all", "r")
            ),
        ]
        for kind in next(iter(errors.values()))["cost"]
    ]
    display(Markdown(table(head, rows)))

# %% [markdown]
# ## Training curves


# %%
def steps_of(weights):
    """A run log's steps; of the reference, the losses that it keeps of it."""
    log, kept = weights.with_name(run_log.NAME), losses.path(weights)
    if log.is_file():
        return run_log.read(log).steps
    return losses.read(kept) if kept.is_file() else []


models = {e.training: shown.model(e.training, scale.table.seeds(e.id)[0]) for e in (a, b)}
curves = {name: steps_of(weights) for name, weights in models.items()}
if lacking := [name for name, steps in curves.items() if not steps]:
    display(Markdown(f"No run log of {' and '.join(lacking)}; training writes it."))
else:
    figure, ax = plt.subplots(figsize=(6.88, 2.2))
    for training, steps in curves.items():
        points = [(s["iter"], s["loss"]) for s in steps if s["loss"] is not None]
        ax.plot(*zip(*points, strict=True), label=training)
    ax.set_xlabel("iteration")
    ax.set_ylabel("loss")
    ax.legend()
    plt.show()

# %% [markdown]
# ## Images of the category


# %%
def of_the_report():
    """The pictures of the category that the reference keeps for its report, of its own pair."""
    kept = examples.kept(shown)
    pictured = kept.pictures if kept.pair == (a.id, b.id) else []
    name = f"{plain(known[category]['name'])}: "
    return [picture for caption, picture in pictured if caption.startswith(name)]


try:
    if live:
        compared = categories.compare(a, b, scale, errors=False)
        one = replace(compared, categories=[c for c in compared.categories if c.id == category])
        with tempfile.TemporaryDirectory() as folder:
            made, missing = pictures.draw(one, 1, scale, Path(folder))
            found_images = [path.read_bytes() for path in made]
        missing = missing or "No object of this category is found by one of them alone."
    else:
        found_images = of_the_report()
        missing = f"The reference has no image of it; `seesaw compare {A} {B}` draws your own."
    for picture in found_images:
        display(Image(picture))
    if not found_images:
        display(Markdown(missing))
except UserError as error:
    display(Markdown(f"No images: {error}"))
