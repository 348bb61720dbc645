"""The released models and their published AP (configs/zoo.yaml)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from seesaw.core import paths
from seesaw.core.names import instead, unique
from seesaw.core.yaml import Strict, keyed, read_model, read_yaml
from seesaw.errors import UserError
from seesaw.spec import downloads
from seesaw.spec.experiments import Evaluation

FILE = paths.CONFIGS / "zoo.yaml"


class Released(Strict):
    """A released checkpoint; AP is in percent."""

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
        """The evaluation of this model on val with the inference settings of ``config``."""
        return Evaluation(id=self.id, training=self.id, config=self.config)

    @property
    def file(self) -> downloads.Remote:
        """The checkpoint's file in the table of downloads."""
        return downloads.load().sets["zoo"][self.checkpoint]


class Zoo(Strict):
    """All released models, and the tolerance for differences from their published AP."""

    tolerance: float = Field(gt=0)
    models: dict[str, Released]


def load(path: Path | None = None) -> Zoo:
    """Read and check the table.

    Raises:
        UserError: the file is missing or invalid; the message names file, key and fix.
    """
    path = path or FILE
    raw = read_yaml(path)
    if isinstance(rows := raw.get("models"), dict):
        raw["models"] = keyed(path, "models", "id", rows)
    found, files = read_model(path, Zoo, raw), downloads.load().sets.get("zoo", {})
    configs = {file.stem for file in paths.CONFIGS.glob("zoo/*.py")}
    for row in found.models.values():
        for key, name, known in (
            ("config", row.config, configs),
            ("checkpoint", row.checkpoint, files.keys()),
        ):
            if name not in known:
                raise UserError(
                    f"{path}: {row.id}: the {key} {name!r} is unknown; {instead(name, known)}"
                )
    return found


def model(name: str) -> Released:
    """Return a released model by its id or a unique prefix of it.

    Raises:
        UserError: no model matches, or several do.
    """
    models = load().models
    return models[unique(name, models, f"{FILE}: the model")]
