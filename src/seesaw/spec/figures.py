"""What each figure reads and where its files lie; imports nothing heavy, the Snakefile uses it."""

from __future__ import annotations

from pathlib import Path

from seesaw.core import paths
from seesaw.errors import UserError
from seesaw.spec.experiments import Experiments
from seesaw.spec.scales import Scale

FIGURES = ("figure_a1", "figure_a2", "figure_a3", "gradient_analysis")
SHOWN = "mini"  # the scale of the committed figures
FORMATS = ("ipynb", "pdf", "svg", "png", "csv")
# Names the folder that a notebook writes to; unset where a reader runs it.
OUTPUT = "SEESAW_FIGURES"
# Set where a notebook is to show the committed results, whatever live ones there are.
COMMITTED = "SEESAW_COMMITTED"
# Figures that show no experiment, and the configs whose models and losses they build, at full size.
CONFIGS = {
    "figure_a3": ("b02_htc_without_semantic", "b03_htc_lite"),
    "gradient_analysis": ("mask_rcnn_random_seesaw",),
}


def folder(scale: Scale) -> Path:
    """Where a scale's figures lie."""
    return scale.results / "figures"


def outputs(figure: str, scale: Scale) -> dict[str, Path]:
    """Format -> file of a figure."""
    return {kind: folder(scale) / f"{figure}.{kind}" for kind in FORMATS}


def committed(figure: str) -> dict[str, Path]:
    """Format -> committed file of a figure: what GitHub shows."""
    return {k: paths.NOTEBOOKS / f"{figure}.{k}" for k in FORMATS if k != "pdf"}


def available(table: Experiments) -> list[str]:
    """The figures of a scale: those without experiments, and those with some of its own."""
    return [name for name in FIGURES if name in CONFIGS or table.place_cells(name)]


def results(figure: str, table: Experiments, scale: Scale) -> dict[str, Path]:
    """``<evaluation>/seed<k>`` -> the result of it that a figure shows, computed or not.

    Gradients in Figure A1, metrics in Figure A2; the other two show no training.
    """
    found = {}
    for cell in table.place_cells(figure):
        evaluation = table.evaluations[cell.evaluation]
        for seed in table.seeds(evaluation.id) if table.built(evaluation.id) else ():
            found[f"{evaluation.id}/seed{seed}"] = (
                scale.model(evaluation.training, seed).with_name("gradients.json")
                if figure == "figure_a1"
                else scale.metrics(evaluation, seed)
            )
    return found


def files(figure: str, table: Experiments, scale: Scale) -> dict[str, Path]:
    """All that a figure reads: `results`, and the categories of the training set."""
    counts = {} if figure == "figure_a3" else {"category_counts": scale.entry.category_counts}
    return counts | results(figure, table, scale)


def needed(figure: str, table: Experiments, scale: Scale) -> list[Path]:
    """What the workflow makes before a figure; weights stand for the gradients beside them."""
    read = files(figure, table, scale).values()
    return [p.with_name("model.pth") if p.name == "gradients.json" else p for p in read]


def target(figure: str, table: Experiments, scale: Scale) -> list[Path]:
    """All files of a figure; none where this scale has none of its experiments."""
    return [*outputs(figure, scale).values()] if figure in available(table) else []


def frozen(path: Path, scale: Scale) -> Path:
    """The committed copy of a result or category-count file."""
    inside = path.is_relative_to(scale.results)
    name = path.relative_to(scale.results) if inside else path.name
    return scale.reference / name


def unique(name: str) -> str:
    """The figure of this name or unique prefix.

    Raises:
        UserError: there is none, or more than one.
    """
    found = [f for f in FIGURES if f == name] or [f for f in FIGURES if f.startswith(name)]
    if len(found) != 1:
        raise UserError(f"{name!r} names no figure or several; use one of {', '.join(FIGURES)}.")
    return found[0]
