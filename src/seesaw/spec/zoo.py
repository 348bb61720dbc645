"""The released models and what they should measure (configs/zoo.yaml).

Imports neither torch nor mmdet: the Snakefile reads it in every job.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seesaw.core import paths
from seesaw.core.yaml import one_sentence, read_yaml
from seesaw.errors import UserError
from seesaw.spec import downloads
from seesaw.spec.experiments import Evaluation

FILE = paths.CONFIGS / "zoo.yaml"


class Released(BaseModel):
    """One released checkpoint; AP in percent."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^zoo_[a-z0-9_]+$")
    label: str
    config: str
    released: str
    checkpoint: str
    AP: float
    AP_box: float
    misprinted: dict[str, float] = {}

    @property
    def evaluation(self) -> Evaluation:
        """It as an evaluation on val, under our config's inference settings."""
        return Evaluation(id=self.id, training=self.id, config=self.config)

    @property
    def file(self) -> Path:
        """Where the downloaded checkpoint lies."""
        return downloads.load().sets["zoo"][self.checkpoint].path


class Zoo(BaseModel):
    """All of them, and how far from the published AP is right."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    tolerance: float = Field(gt=0)
    models: dict[str, Released]


def load(path: Path | None = None) -> Zoo:
    """Read and check the table.

    Raises:
        UserError: one sentence with the file, the key and the fix.
    """
    path = path or FILE
    raw = read_yaml(path)
    raw["models"] = {i: {"id": i, **row} for i, row in (raw.get("models") or {}).items()}
    try:
        return Zoo.model_validate(raw)
    except ValidationError as error:
        raise UserError(one_sentence(path, error)) from None


def model(name: str) -> Released:
    """A released model by its id or a unique prefix of it.

    Raises:
        UserError: there is none, or several.
    """
    models = load().models
    found = (
        [models[name]] if name in models else [m for i, m in models.items() if i.startswith(name)]
    )
    if len(found) != 1:
        raise UserError(
            f"{FILE}: {name!r} names {len(found)} models; use one of {', '.join(models)}."
        )
    return found[0]
