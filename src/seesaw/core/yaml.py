"""Read YAML files, refuse duplicate keys, and describe each error in one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from seesaw.core.borders import plain
from seesaw.errors import UserError

DEEPEST = 100  # lists and mappings in one another; libyaml's recursion ends the interpreter


# What YAML reads in base 8 or 60, which nobody means: 032000 is 13312, and 24:00 is 1440
_OTHER_BASE = re.compile(r"[-+]?0[\d_]*\d|.*:.*")


class Strict(BaseModel):
    """A part of one of the project's YAML files; it has no other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_Model = TypeVar("_Model", bound=BaseModel)


class _UniqueKeys(yaml.CSafeLoader):
    """A YAML loader that raises an error for a duplicate key instead of keeping the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if (spelled := str(key.value)) in seen:
                problem = f"{plain(spelled)} stands here twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(spelled)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if number and _OTHER_BASE.fullmatch(str(node.value)):
            base = 60 if ":" in node.value else 8
            problem = (
                f"{plain(str(node.value))} is a number in base {base} to YAML; write it in base "
                "10 without a 0 before it, or a text in quotes"
            )
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        try:
            return super().construct_object(node, deep)
        # 2024-13-45, or !!bool before a word
        except (ValueError, LookupError, AttributeError, OverflowError):
            kind = node.tag.rpartition(":")[2]
            problem = f"{plain(str(node.value))} is no valid {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def read_yaml(path: Path, empty: bool = False) -> dict:
    """Read a YAML mapping, which may be empty if ``empty`` says so.

    Raises:
        UserError: the file is missing or no such mapping; the message names file, line and fix.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_deep(text)
        raw = yaml.load(text, _UniqueKeys)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the repository's root.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text ({error}); save it as UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "not YAML")
        if isinstance(error, yaml.reader.ReaderError):  # of a character, which has no mark
            before = text.encode()[: error.position].count(b"\n")
            line = f" line {before + 1}"
        raise UserError(f"{path}{line}: {problem}; correct the YAML.") from None
    if raw is None and empty:
        return {}
    if not isinstance(raw, dict):
        raise UserError(f"{path} holds no mapping; write `key: value`, or restore it from git.")
    return raw


def _refuse_deep(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            problem = f"more than {DEEPEST} lists or mappings stand in one another"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def read_model(path: Path, model: type[_Model], raw: object = None, row: str = "") -> _Model:
    """Return the content of a YAML file as a model.

    ``raw`` is the content, if it has been read and completed before; ``row`` is the key of the part
    of the file that it is.

    Raises:
        UserError: the file is missing or invalid; the message names file, key, value and fix.
    """
    try:
        return model.model_validate(read_yaml(path) if raw is None else raw)
    except ValidationError as error:
        raise UserError(one_sentence(path, error, row)) from None


def keyed(path: Path, where: str, key: str, rows: dict) -> dict:
    """Return the rows of a table, each with its own name under ``key``.

    A row that is no mapping is returned as it is, for `read_model` to refuse. ``where`` is the
    table's key in the file; ``key`` is what the model calls the name: "id" or "name".

    Raises:
        UserError: a row has that key, which would rename it.
    """
    for name, row in rows.items():
        if isinstance(row, dict) and key in row:
            raise UserError(
                f"{path}: {where}.{name}.{key} is no known key; remove it, as the row is named "
                f"{name}."
            )
    return {n: {key: n, **row} if isinstance(row, dict) else row for n, row in rows.items()}


def one_sentence(path: Path, error: ValidationError, row: str = "") -> str:
    """Describe Pydantic's first validation error in one sentence: file, key, value and fix."""
    first = error.errors()[0]
    where = plain(".".join([*([row] if row else []), *map(str, first["loc"])]), 200)
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{path}: {where} is no known key; remove it or correct its spelling{more}."
    if first["type"] == "missing":
        return f"{path}: {where} is missing; add it{more}."
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if where and not isinstance(first["input"], dict):
        message = f"{where} is {short(first['input'])}, but {message}"
    elif where:
        message = f"{where}: {message}"
    return f"{path}: {message}; correct it{more}."


def short(value: object) -> str:
    """Return a value as in Python, but only its beginning; aliases make one of any size."""
    limited = Repr()
    limited.maxlevel = 3
    limited.maxother = limited.maxlong = 80
    limited.maxstring = 200  # a path
    return plain(limited.repr(value), 200)
