"""The paper's figures: what they read, the numbers in them, and the notebooks that draw them."""

from __future__ import annotations

import shutil
from pathlib import Path

from seesaw import paths
from seesaw.errors import UserError
from seesaw.figures.inputs import FIGURES, FORMATS, folder
from seesaw.scales import Scale

LIMIT = 1_000_000  # bytes of a committed file
FROZEN = tuple(kind for kind in FORMATS if kind != "pdf")  # GitHub shows the others


def freeze(scale: Scale) -> list[Path]:
    """Copy a scale's figures to paper_figures/, where a clone opens them.

    Returns:
        The copies.

    Raises:
        UserError: a figure is missing or too large to commit; nothing is copied then.
    """
    live = [folder(scale) / f"{name}.{kind}" for name in FIGURES for kind in FROZEN]
    for path in live:
        if not path.is_file():
            raise UserError(
                f"{path} is missing; run `seesaw figure {path.stem} --scale {scale.name}`."
            )
        if (size := path.stat().st_size) > LIMIT:
            raise UserError(f"{path} has {size} bytes, more than {LIMIT}: draw less in it.")
    return [Path(shutil.copyfile(path, paths.NOTEBOOKS / path.name)) for path in live]
