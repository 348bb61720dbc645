"""The paper's numbers (configs/paper_values.yaml): schema and look-up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from seesaw.core import paths
from seesaw.core.yaml import one_sentence, read_yaml
from seesaw.errors import UserError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PaperRow(_Strict):
    """One printed row: AP in percent, fps in images per second, printed increments in AP."""

    AP: float
    AP_r: float
    AP_c: float
    AP_f: float
    AP_box: float
    fps: float | None = None
    increments: dict[Literal["AP", "AP_box"], float] = {}


class TestDev(_Strict):
    """The entry's score on the test-dev split, AP in percent."""

    __test__ = False  # no test class, whatever its name says to pytest

    AP: float


class PaperValues(_Strict):
    """All that the paper reports; ``parameters`` are millions at paper scale."""

    table_a1: dict[str, PaperRow]
    table_a2: dict[str, PaperRow]
    figure_a2: dict[str, PaperRow]
    test_dev: TestDev
    parameters: dict[str, float]

    def row(self, evaluation: str) -> dict | None:
        """The printed row of an evaluation as ``Row.paper`` takes it; None if not printed."""
        for table in (self.table_a1, self.table_a2, self.figure_a2):
            if evaluation in table:
                return table[evaluation].model_dump(exclude_none=True)
        return None


def load(path: Path | None = None) -> PaperValues:
    """Read and check the paper's numbers.

    Raises:
        UserError: one sentence with the file, the key, the value and the fix.
    """
    path = path or paths.PAPER_VALUES
    try:
        return PaperValues.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(one_sentence(path, error)) from None
