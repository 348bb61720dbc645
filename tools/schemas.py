"""Write a JSON schema of each YAML file of the project, with which editors complete and check it.

``python tools/schemas.py`` writes ``configs/schemas``; each YAML file names its schema in its first
line, in the form that VS Code, JetBrains' editors and all with yaml-language-server read.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from seesaw.core import paths
from seesaw.spec import (
    claims,
    datasets,
    downloads,
    expected,
    experiments,
    overlay,
    paper,
    site,
    zoo,
)
from seesaw.workflow import rates

FOLDER = paths.CONFIGS / "schemas"


class _Datasets(BaseModel):
    datasets: dict[str, datasets.DatasetEntry]


# Schema -> the model, and what the file's readers fill in: class -> fields that stand in no file,
# since a row's key or another file gives them
MODELS: dict[str, tuple[type[BaseModel], dict[str, set[str]]]] = {
    "claims": (claims.Claims, {}),
    "costs": (rates.Estimates, {}),
    "datasets": (_Datasets, {"DatasetEntry": {"name"}}),
    "downloads": (downloads.Downloads, {"Remote": {"name", "set", "urls", "source"}}),
    "experiments": (experiments._File, {"Training": {"id"}, "Evaluation": {"id"}}),
    "paper_values": (paper.PaperValues, {}),
    "preflight": (expected.Expected, {}),
    "scale": (overlay.Overlay, {}),
    "site": (site.Site, {}),
    "zoo": (zoo.Zoo, {"Released": {"id"}}),
}


class _Untitled(GenerateJsonSchema):
    """Leaves out titles, which would repeat each key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema(name: str) -> dict:
    """Return the JSON schema of the YAML files of one kind."""
    model, filled = MODELS[name]
    found = model.model_json_schema(schema_generator=_Untitled)
    for kind, fields in filled.items():
        part = found["$defs"][kind]
        part["properties"] = {k: v for k, v in part["properties"].items() if k not in fields}
        part["required"] = [k for k in part["required"] if k not in fields]
    if name == "downloads":  # the digits in a file's name stand for it
        found["$defs"]["Remote"]["required"].remove("sha256")
    if name == "scale":
        settings = {"propertyNames": {"enum": list(overlay.SETTINGS)}}
        found["properties"]["set"] |= settings
        found["properties"]["set_in"]["additionalProperties"] |= settings
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found


def write(folder: Path) -> None:
    """Write all schemas into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        text = json.dumps(schema(name), indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
