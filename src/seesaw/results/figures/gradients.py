"""The numbers of Figure A1: cumulative gradients of each category's logit in the classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seesaw.errors import UserError
from seesaw.results.figures.results import Category

KINDS = ("positive", "negative_foreground", "negative_background")


@dataclass(frozen=True)
class Gradients:
    """Sums of |dL/dz_i| over a training, (C,) each."""

    positive: np.ndarray  # sum over the RoIs of category i
    negative_foreground: np.ndarray  # sum over the RoIs of other categories
    # sum over background RoIs; 0 with Seesaw Loss, in which background RoIs have no gradient on the
    # class logits
    negative_background: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """Return positive over all negative gradients (supplementary, section 2); NaN for 0 / 0."""
        return _divide(self.positive, self.negative_foreground + self.negative_background)

    @property
    def foreground_ratio(self) -> np.ndarray:
        """Return positive gradients over the negative gradients of foreground RoIs alone."""
        return _divide(self.positive, self.negative_foreground)

    def pooled(self, chosen: np.ndarray) -> float:
        """Return the ratio of the gradients summed over a group of categories, a mask (C,)."""
        negative = self.negative_foreground + self.negative_background
        return float(_divide(self.positive[chosen].sum(), negative[chosen].sum()))


def gradients(contents: list[dict], categories: list[Category]) -> Gradients:
    """Sum the contents of each seed's ``gradients.json``, in the order of ``categories``.

    Raises:
        UserError: a file lacks a category.
    """
    total = {kind: np.zeros(len(categories)) for kind in KINDS}
    for content in contents:
        try:
            rows = {c: i for i, c in enumerate(content["categories"])}
            order = [rows[category.id] for category in categories]
            for kind in KINDS:
                total[kind] += np.asarray(content[kind], np.float64)[order]
        except KeyError as error:
            raise UserError(
                f"gradients.json lacks category {error}; delete it with the model.pth beside it "
                "and train again."
            ) from None
    return Gradients(**total)


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the quotient; inf where only the divisor is 0, NaN where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(a, b)
