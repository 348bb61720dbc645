"""Read YAML files, refuse duplicate keys, and describe each error in one sentence."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from seesaw.errors import UserError


class _UniqueKeys(yaml.SafeLoader):
    """A YAML loader that raises an error for a duplicate key instead of keeping the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if (spelled := str(key.value)) in seen:
                problem = f"{spelled} stands here twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(spelled)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict:
    """Read a YAML mapping, or raise an error with one sentence about what is wrong in the file."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the repository's root.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", "not YAML")
        raise UserError(f"{path}{line}: {problem}; correct the YAML.") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path} holds no mapping; restore it from git.")
    return raw


def one_sentence(path: Path, error: ValidationError) -> str:
    """Describe Pydantic's first validation error in one sentence: file, key, value and fix."""
    first = error.errors()[0]
    where = ".".join(str(p) for p in first["loc"])
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{path}: {where} is no known key; remove it or correct its spelling{more}."
    if first["type"] == "missing":
        return f"{path}: {where} is missing; add it{more}."
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return f"{path}: {where} is {first['input']!r}, but {message}; correct it{more}."
