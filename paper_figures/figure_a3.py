# %% [markdown]
# # Figure A3: HTC and HTC-Lite
#
# Both diagrams are drawn from the models that the configs build, at full LVIS v1 size and without
# weights (torch's meta device): a box is a module that exists, its numbers are the module's own,
# and costs are counted while one image passes through it. Take a mask head out of the config and
# its box is gone.
#
# HTC-Lite (supplementary, section 4.1) changes two things: a global context encoder in place of
# the semantic branch, and one mask head in place of three, which also ends the flow of mask
# features between stages.

# %% tags=["parameters"]
SCALE = "mini"
DATASET = None

# %%
import copy
import os

while not os.path.isdir("configs") and os.getcwd() != os.path.dirname(os.getcwd()):
    os.chdir("..")  # Jupyter starts in the notebook's folder

import matplotlib.pyplot as plt
from IPython.display import Markdown, display
from mmengine.hub import get_config

from seesaw.models.architecture import architecture
from seesaw.results.figures.diagram import compare
from seesaw.results.figures.results import table
from seesaw.results.figures.style import save, use
from seesaw.spec.config import resolve
from seesaw.spec.experiments import config_file
from seesaw.spec.scales import Scale

use()

# %% [markdown]
# HTC is Table A2's config with the semantic branch of mmdet's HTC put back: LVIS has no semantic
# annotations to train it, but it can be built and counted.

# %%
paper = Scale("paper")
htc = resolve(config_file("b02_htc_without_semantic"), paper)
lite = resolve(config_file("b03_htc_lite"), paper)
full = copy.deepcopy(htc)
shipped = get_config("mmdet::htc/htc_r50_fpn_1x_coco.py").model.roi_head
for key in ("semantic_roi_extractor", "semantic_head"):
    full.model.roi_head[key] = shipped[key]
models = {"HTC": architecture(full), "HTC-Lite": architecture(lite)}

# %%
figure = plt.figure()
compare(figure, models)
plt.show()

# %% [markdown]
# Every part, and the whole. Table A2's HTC has no semantic branch, so its total is smaller.

# %%
rows = [
    {
        "model": name,
        "part": part.name,
        "stage": None if part.stage is None else part.stage + 1,
        "class": part.type,
        "outputs": " + ".join("x".join(map(str, shape)) for shape in part.outputs),
        "parameters": part.parameters,
        "multiplications": part.macs,
    }
    for name, model in models.items()
    for part in model.parts
]
save("figure_a3", figure, rows)
lines = [
    [
        row["model"],
        row["part"] + (f" {row['stage']}" if row["stage"] else ""),
        f"`{row['class']}`",
        f"{row['parameters']:,}",
        f"{row['multiplications'] / 1e9:.2f}",
    ]
    for row in rows
]
lines += [
    [f"**{name}**", "all", "", f"**{model.parameters:,}**", f"**{model.macs / 1e9:.2f}**"]
    for name, model in models.items()
]
without = architecture(htc)
total = f"{without.macs / 1e9:.2f}"
lines += [["**HTC of Table A2**", "all", "", f"**{without.parameters:,}**", f"**{total}**"]]
display(Markdown(table(["model", "part", "class", "parameters", "G multiplications"], lines)))
