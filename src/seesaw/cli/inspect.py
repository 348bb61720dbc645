"""``seesaw config``, ``diff`` and ``fingerprints``: the results of resolving configs and code."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser, Namespace
from keyword import iskeyword
from pathlib import Path

from seesaw.cli.common import at_least, config_of, load_mmdet, need_val, scale_of
from seesaw.core import paths
from seesaw.core.files import write_atomic
from seesaw.errors import UserError
from seesaw.spec import experiments

RESERVED = ("filename", "text", "pretty_text", "env_variables")  # top-level, by mmengine


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(config, "write a stand-alone config for mmdet's tools")
    sub.add_argument("evaluation")
    sub.add_argument("-o", "--out", type=Path, help="the config file, *.py (default: printed)")
    sub.add_argument(
        "--gpus",
        type=at_least(1),
        help="GPUs that share a batch (default: 8, or 1 for a smaller batch)",
    )
    sub.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="values to replace, as mmdet's tools read them",
    )
    sub = verb(diff, "the difference of two resolved configs")
    sub.add_argument("a")
    sub.add_argument("b")
    verb(fingerprints, "what each training, detection and evaluation depends on, as hashes")


def config(args: Namespace) -> None:
    """Write a config that mmengine's Runner takes whole."""
    scale = scale_of(args)
    evaluation = scale.table.evaluation(args.evaluation)
    need_val(evaluation)
    path, start = config_of(evaluation), scale.table.trainings[evaluation.training].init_from
    if args.out and args.out.suffix != ".py":
        raise UserError(f"--out {args.out}: mmdet's tools read *.py; name it so.")
    if args.out and args.out.exists() and paths.CONFIGS.resolve() in args.out.resolve().parents:
        raise UserError(f"--out {args.out}: is a config of the workflow; name another file.")
    load_mmdet()
    from seesaw.spec.config import resolve
    from seesaw.training.standalone import standalone

    cfg = resolve(path, scale)
    gpus = (8 if cfg.batch_size % 8 == 0 else 1) if args.gpus is None else args.gpus
    made = standalone(cfg, scale, gpus, str(scale.model(start, 0)) if start else None)
    for key, value in _options(args.cfg_options).items():
        try:
            made.merge_from_dict({key: value})
        except (KeyError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"--cfg-options {key}: {reason}; correct the key.") from None
    if args.out:
        write_atomic(args.out, made.pretty_text)
    print(args.out or made.pretty_text)


def _options(given: list[str]) -> dict[str, object]:
    """Return key -> value of KEY=VALUE, as mmengine reads them for mmdet's tools."""
    from mmengine.config import DictAction

    for text in given:
        key, equals, _ = text.partition("=")
        if not equals:
            raise UserError(f"--cfg-options {text}: write KEY=VALUE.")
        parts = key.split(".")
        odd = not all(part.isdecimal() or part.isidentifier() for part in parts)
        # Python or mmengine could not read a config with such a key
        if odd or any(map(iskeyword, parts)) or parts[0] in RESERVED:
            raise UserError(f"--cfg-options {text}: {key!r} is no key; write names and dots.")
    reader = ArgumentParser()
    reader.add_argument("values", nargs="*", action=DictAction)
    try:
        read = reader.parse_args(given).values or {}
    except (AssertionError, ValueError, IndexError):  # an open bracket
        raise UserError(f"--cfg-options {' '.join(given)}: correct the brackets.") from None
    if odd := next((key for key, value in read.items() if not _finite(value)), None):
        raise UserError(f"--cfg-options {odd}={read[odd]}: no config can hold it; give a number.")
    return read


def _finite(value: object) -> bool:
    """Whether a value holds neither infinity nor nan, which Python has no literals for."""
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def diff(args: Namespace) -> None:
    """Print the keys in which two experiments' resolved configs differ."""
    from seesaw.spec.config import difference, resolve

    scale, rows = scale_of(args), experiments.load()
    files = [config_of(rows.evaluation(name)) for name in (args.a, args.b)]
    for key, old, new in difference(*(resolve(path, scale, register=False) for path in files)):
        print(f"{key}: {json.dumps(old, default=str)} -> {json.dumps(new, default=str)}")


def fingerprints(args: Namespace) -> None:
    """Print hashes of what each training, detection and evaluation depends on."""
    from seesaw.workflow import dependencies

    dependencies.show(scale_of(args))
