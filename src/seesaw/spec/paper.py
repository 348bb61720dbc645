"""The paper's numbers (configs/paper_values.yaml): schema and look-up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from seesaw.core import paths
from seesaw.core.yaml import Strict, read_model
from seesaw.spec.metrics import Overall


class PaperRow(Strict):
    """A row of a table as printed: AP in percent, fps in images per second, increments in AP."""

    AP: float
    AP_r: float
    AP_c: float
    AP_f: float
    AP_box: float
    fps: float | None = None
    increments: dict[Overall, float] = {}


class TestDev(Strict):
    """The entry's score on the test-dev split, AP in percent."""

    __test__ = False  # keeps pytest from collecting this class by its name

    AP: float


class PaperValues(Strict):
    """The numbers that the paper reports; ``parameters`` are in millions, at paper scale."""

    table_a1: dict[str, PaperRow]
    table_a2: dict[str, PaperRow]
    figure_a2: dict[str, PaperRow]
    test_dev: TestDev
    parameters: dict[str, float]

    def row(self, evaluation: str) -> dict | None:
        """Return the printed row of an evaluation for ``Row.paper``; None if there is none."""
        for table in (self.table_a1, self.table_a2, self.figure_a2):
            if evaluation in table:
                return table[evaluation].model_dump(exclude_none=True)
        return None

    def row_below(self, above: str | None, evaluation: str) -> dict | None:
        """Return `row`, without the increments where the paper prints another row above it."""
        row = self.row(evaluation)
        tables = (self.table_a1, self.table_a2, self.figure_a2)
        if row and (above, evaluation) not in {p for t in tables for p in pairwise([None, *t])}:
            row["increments"] = {}
        return row


def load(path: Path | None = None) -> PaperValues:
    """Read and check the paper's numbers.

    Raises:
        UserError: the file is missing or invalid; the message names file, key, value and fix.
    """
    path = path or paths.PAPER_VALUES
    return read_model(path, PaperValues)
