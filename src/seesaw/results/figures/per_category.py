"""The numbers of Figure A2: AP per category for each cell of the main paper's Table 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seesaw.errors import UserError
from seesaw.results.figures.results import Results
from seesaw.results.tables.collect import means
from seesaw.spec import paper

PANELS = 4
METHODS = {"cross-entropy": "CE", "EQL": "EQL", "BAGS": "BAGS", "Seesaw": "Seesaw"}


@dataclass(frozen=True)
class Curve:
    """The curve of one cell: one loss in one panel."""

    evaluation: str  # id of the evaluation
    method: str  # key of `seesaw.results.figures.style.COLOURS`
    state: str  # "", or why the curve is not shown ("not run", "failed", "not built")
    # AP in percent of each category in the order of `Results.categories`, mean over seeds; NaN
    # where val has no such category. Empty if the curve is not shown.
    ap: np.ndarray
    # each metric of `seesaw.spec.metrics` in percent; None where undefined
    overall: dict[str, float | None]


def panels(results: Results) -> dict[tuple[str, str], list[Curve]]:
    """Return (framework, sampler) -> its curves, by the labels in the experiment table.

    Raises:
        UserError: a label does not fit the figure, or the paper has no such cell.
    """
    found: dict[tuple[str, str], list[Curve]] = {}
    printed = paper.load().figure_a2
    for cell in results.table.place_cells("figure_a2"):
        framework, sampler, loss, *more = [*cell.label.split(", "), "", ""]
        if any(more) or loss not in METHODS:
            form = f"framework, sampler, loss, with a loss of {', '.join(METHODS)}"
            raise UserError(
                f"{results.table.path}: the cell {cell.label!r} of figure_a2 must read {form}."
            )
        if cell.evaluation not in printed:
            raise UserError(
                f"{results.table.path}: the paper's Figure A2 has no cell {cell.evaluation}; put "
                "it into a table of its own (places)."
            )
        curves = found.setdefault((framework, sampler), [])
        if METHODS[loss] in {curve.method for curve in curves}:
            raise UserError(
                f"{results.table.path}: two cells of figure_a2 read {cell.label!r}; correct one."
            )
        curves.append(_curve(results, cell.evaluation, METHODS[loss]))
    if len(found) > PANELS:
        named = "; ".join(", ".join(pair) for pair in found)
        raise UserError(
            f"{results.table.path}: the cells of figure_a2 have {len(found)} pairs of framework "
            f"and sampler ({named}), and the figure has {PANELS} panels; correct their labels."
        )
    return found


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean over the defined values among ``window`` neighbours, (C,).

    The window is cut at both ends; NaN stays NaN, so that an undefined category leaves a gap.
    ``window`` is odd.
    """
    half = window // 2
    means = np.full(len(values), np.nan)
    for i in np.flatnonzero(~np.isnan(values)):
        means[i] = np.nanmean(values[max(i - half, 0) : i + half + 1])
    return means


def _curve(results: Results, evaluation: str, method: str) -> Curve:
    if state := results.state(evaluation):
        return Curve(evaluation, method, state, np.empty(0), {})
    seeds = results.of(evaluation)
    rows = []
    for content in seeds:
        ap = content.get("per_category", {}).get("segm", {})
        if lost := next((c.id for c in results.categories if str(c.id) not in ap), None):
            raise UserError(
                f"the metrics.json of {evaluation} has no AP of category {lost}: it is of another "
                "dataset; run evaluate again."
            )
        rows.append([_per_cent(ap[str(c.id)]) for c in results.categories])
    return Curve(evaluation, method, "", np.mean(rows, axis=0), means(seeds))


def _per_cent(value: float | None) -> float:
    return np.nan if value is None else 100 * value
