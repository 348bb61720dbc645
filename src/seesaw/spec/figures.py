"""The inputs and output files of each figure."""

from __future__ import annotations

from pathlib import Path

from seesaw.core import names, paths
from seesaw.spec.scales import Scale

# Figure -> its title in the report.
FIGURES = {
    "figure_a1": "Figure A1: cumulative positive over negative gradients of each category",
    "figure_a2": "Figure A2: AP of each category, four losses in four settings",
    "figure_a3": "Figure A3: HTC and HTC-Lite, drawn from the models that the configs build",
    "gradient_analysis": "Gradient analysis: what p, q and the counts do to the seesaw factor",
    "error_analysis": "Error analysis: where AP50 is lost, and what rare objects are taken for",
}
SHOWN = "mini"  # the scale of the committed figures
FORMATS = ("ipynb", "pdf", "svg", "png", "csv")
# The environment variable with a notebook's output folder; unset when a reader runs the notebook.
OUTPUT = "SEESAW_FIGURES"
# The environment variable that makes a notebook show the committed results, not the live ones.
COMMITTED = "SEESAW_COMMITTED"
# Figures without experiments, and the configs whose full-size models and losses they build.
CONFIGS = {
    "figure_a3": ("b02_htc_without_semantic", "b03_htc_lite"),
    "gradient_analysis": ("mask_rcnn_random_seesaw",),
}


def outputs(figure: str, scale: Scale) -> dict[str, Path]:
    """Format -> file of a figure."""
    return {kind: scale.results / "figures" / f"{figure}.{kind}" for kind in FORMATS}


def committed(figure: str) -> dict[str, Path]:
    """Format -> committed file of a figure, which GitHub shows."""
    return {k: paths.NOTEBOOKS / f"{figure}.{k}" for k in FORMATS if k != "pdf"}


def available(scale: Scale) -> list[str]:
    """Return the figures without experiments and those that show experiments of the scale."""
    return [name for name in FIGURES if name in CONFIGS or scale.table.place_cells(name)]


def results(figure: str, scale: Scale) -> dict[str, Path]:
    """``<evaluation>/seed<k>`` -> the result file that a figure shows, whether it exists or not.

    Figure A1 shows gradients, Figure A2 metrics and the error analysis errors; the other two
    figures show no training.
    """
    table, shown = scale.table, {"figure_a1": scale.gradients, "error_analysis": scale.errors}
    path_of, found = shown.get(figure, scale.metrics), {}
    for cell in table.place_cells(figure):
        evaluation = table.evaluations[cell.evaluation]
        for seed in table.seeds(evaluation.id) if table.built(evaluation.id) else ():
            found[f"{evaluation.id}/seed{seed}"] = path_of(evaluation, seed)
    return found


def files(figure: str, scale: Scale) -> dict[str, Path]:
    """Return all input files of a figure: `results`, and the categories of the training set."""
    counts = {} if figure == "figure_a3" else {"category_counts": scale.entry.category_counts}
    return counts | results(figure, scale)


def needed(figure: str, scale: Scale) -> list[Path]:
    """Return a figure's inputs in the workflow; weights represent the gradients beside them."""
    read = files(figure, scale).values()
    return [p.with_name("model.pth") if p.name == "gradients.json" else p for p in read]


def target(figure: str, scale: Scale) -> list[Path]:
    """Return all files of a figure, or none if the scale has none of its experiments."""
    return [*outputs(figure, scale).values()] if figure in available(scale) else []


def frozen(path: Path, scale: Scale) -> Path:
    """Return the path of the committed copy of a result or category-count file."""
    inside = path.is_relative_to(scale.results)
    name = path.relative_to(scale.results) if inside else path.name
    return scale.reference / name


def unique(name: str) -> str:
    """Return the figure with this name or unique prefix.

    Raises:
        UserError: no figure matches, or more than one does.
    """
    return names.unique(name, FIGURES, "the figure")
