"""Copies a scale's figures to paper_figures/, where they are committed and can be viewed."""

from __future__ import annotations

import shutil
from pathlib import Path

from seesaw.core import paths
from seesaw.core.files import replacing
from seesaw.errors import UserError
from seesaw.spec.figures import FIGURES, committed, outputs
from seesaw.spec.scales import Scale

LIMIT = 1_000_000  # largest size of a committed file in bytes


def freeze(scale: Scale) -> list[Path]:
    """Copy the figures of a scale that have been drawn to paper_figures/; return the copies.

    Copies of others are deleted, since the reference does not hold their numbers any more.

    Raises:
        UserError: a file is too large to commit; then nothing is copied.
    """
    live: list[Path] = []
    stale: list[Path] = []
    for name in FIGURES:
        files = [outputs(name, scale)[kind] for kind in committed(name)]
        if all(path.is_file() for path in files):
            live += files
        else:
            stale += committed(name).values()
    for path in live:
        if (size := path.stat().st_size) > LIMIT:
            raise UserError(f"{path} has {size} bytes, more than {LIMIT}: draw less in it.")
    for path in stale:
        path.unlink(missing_ok=True)
    copies = {path: paths.NOTEBOOKS / path.name for path in live}
    for path, copy in copies.items():
        with replacing(copy) as partial:
            shutil.copyfile(path, partial)
    return [*copies.values()]
