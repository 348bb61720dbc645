"""A comparison as terminal text and as CSV; the output is deterministic."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rich.text import Text

from seesaw.core import borders
from seesaw.evaluation.ground_truth import GROUPS
from seesaw.evaluation.uncertainty import Estimate
from seesaw.results.comparison.categories import FEWEST, Category, Comparison
from seesaw.results.tables.layout import number

HEAD = ("category_id", "name", "frequency", "images", "objects")
HEAD += ("AP_a", "AP_b", "difference", "se", "low", "high", "example_images")


def as_csv(comparison: Comparison) -> str:
    """Return all categories as CSV, sorted by difference, the largest gain first; AP in percent."""
    rows: list[Iterable] = [HEAD]
    for c in comparison.categories:
        numbers = [c.a, c.b, c.change.value, c.change.se, *c.change.interval]
        shown = ["" if np.isnan(x) else f"{x:.4f}" for x in numbers]
        examples = " ".join(map(str, c.examples))
        rows.append([c.id, c.name, c.group, c.images, c.objects, *shown, examples])
    return borders.csv_text(rows)


def terminal(comparison: Comparison, top: int, scale: str) -> None:
    """Print the metrics, the number of categories that rose and fell, and the largest changes.

    ``top`` is the number of gains and of losses.
    """
    console = borders.console()
    a, b, seeds = comparison.a, comparison.b, comparison.seeds
    console.print(Text(f"{b} less {a} ({scale} scale)", style="bold"))
    numbers = (a, b, "difference", "95 % interval")
    body = borders.listing("", *numbers, numbers=numbers)
    for name, (level_a, level_b, change) in comparison.levels.items():
        levels = number(level_a.value), number(level_b.value)
        low, high = change.interval
        body.add_row(name, *levels, _change(change), f"{low:+.1f} to {high:+.1f}")
    console.print(body)
    for line in (_runs(seeds), *_groups(comparison.categories)):
        console.print(Text(line, style="dim"))
    console.print()
    ap = "box AP" if comparison.kind == "bbox" else "AP"
    numbers = ("group", "images", "objects", f"{ap} of a", "of b", "difference")
    body = borders.listing("category", *numbers, numbers=numbers)
    for c in comparison.largest(top):
        counts = c.group, str(c.images), str(c.objects)
        body.add_row(c.shown, *counts, number(c.a), number(c.b), _change(c.change))
    console.print(body)
    fewest = f"No standard error for categories in fewer than {FEWEST} images."
    console.print(Text(fewest, style="dim"))


def _runs(seeds: list[int]) -> str:
    if len(seeds) > 1:
        return f"Over seeds {', '.join(map(str, seeds))}; errors of images and seeds together."
    return f"Seed {seeds[0]} alone: errors by resampling images, without run-to-run spread."


def _groups(categories: list[Category]) -> list[str]:
    lines = []
    for group, word in zip(GROUPS, ("rare", "common", "frequent"), strict=True):
        changes = [c.change.value for c in categories if c.group == group]
        rose, fell = sum(x > 0 for x in changes), sum(x < 0 for x in changes)
        lines.append(f"{len(changes)} {word} categories: {rose} rose, {fell} fell.")
    return lines


def _change(e: Estimate) -> str:
    return f"{e.value:+.1f}" + ("" if np.isnan(e.se) else f" ± {e.se:.1f}")
