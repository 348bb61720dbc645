"""Helpers that the verbs share: scale, data and threads of a call.

Each module of this package declares verbs: ``add(verb)`` declares their arguments, and one function
for each verb does the work and imports heavy libraries itself.
"""

from __future__ import annotations

import math
import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from seesaw.core.files import sha256_file
from seesaw.core.records import is_current, record_of
from seesaw.errors import UserError
from seesaw.spec import zoo
from seesaw.spec.experiments import Evaluation
from seesaw.spec.scales import Scale

MOST = 1024  # threads or processes; a library ends in a traceback, or the machine stands still
NO_ONEDL = "Could not import OneDL. Skipping OneDL datasets."


def scale_of(args: Namespace) -> Scale:
    """Return the scale of a call."""
    return Scale(args.scale, args.dataset)


def no_file(out: Path) -> None:
    """Refuse, before anything is computed, an output folder that is, or is below, no folder."""
    there = next(path for path in (out, *out.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        kind = "a file" if there.is_file() else "no folder"
        raise UserError(f"--out {out}: {there} is {kind}; name a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"--out {out}: {there} is read-only; name another folder.")


def need_output(path: Path, command: str, scale: Scale, seed: int) -> None:
    """Refuse a missing output of another verb; the sentence gives the whole call that makes it."""
    if not path.is_file():
        raise UserError(f"{path} is missing; run `{_call(command, scale, seed)}` first.")


def refuse_other_data(path: Path, command: str, scale: Scale, seed: int) -> None:
    """Refuse an output of another verb whose record names other data than the scale's present."""
    now = {"manifest": sha256_file(scale.entry.manifest)}
    if not is_current(record_of(path), inputs=now):
        raise UserError(
            f"{path} was made of other data than those of {scale.entry.manifest}; run "
            f"`{_call(command, scale, seed)}` again."
        )


def _call(command: str, scale: Scale, seed: int) -> str:
    options = f"--seed {seed} {scale.options}" if seed else scale.options
    return f"seesaw {command} {options}"


def shown(args: Namespace) -> Scale:
    """Return the scale that a verb shows: with ``--reference``, that of the committed results.

    Raises:
        UserError: there are none.
    """
    scale = scale_of(args)
    if not args.reference:
        return scale
    from seesaw.workflow.reference import frozen_tables

    frozen_tables(scale)
    return scale.frozen()


def need_data(scale: Scale) -> None:
    """Refuse a dataset without its manifest, once the names in the call are known to exist."""
    if not scale.entry.manifest.is_file():
        raise UserError(f"{scale.entry.manifest} is missing; run `{scale.data_command}` first.")


def check_data(scale: Scale, split: str) -> None:
    """Refuse a split of the scale's dataset that has changed since its manifest was written."""
    from seesaw.data.unchanged import refuse_changed

    refuse_changed(scale.entry, split, scale.data_command)


def evaluation_of(scale: Scale, name: str) -> Evaluation:
    """Return an evaluation in the scale's table, or of a released model (configs/zoo.yaml)."""
    if name.startswith("zoo_"):
        return zoo.model(name).evaluation
    return scale.table.evaluation(name)


def need_val(evaluation: Evaluation, fix: str = "name an evaluation on val") -> None:
    """Refuse an evaluation on test_dev, which only the LVIS server can score."""
    if evaluation.split != "val":
        raise UserError(f"{evaluation.id} is on test_dev, which has no annotations; {fix}.")


def config_of(evaluation: Evaluation) -> Path:
    """Return the config with an evaluation's inference settings; a UserError if there is none."""
    if evaluation.config_path is None:
        name = evaluation.config or evaluation.training
        raise UserError(f"configs/*/{name}.py is missing: {evaluation.id} is not built; write it.")
    return evaluation.config_path


def load_libraries(args: Namespace) -> None:
    """Load mmdet, torch and OpenCV, and set their threads, whatever the environment says."""
    import cv2
    import torch

    load_mmdet()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)


def load_mmdet() -> None:
    """Load mmdet without what it prints about an optional package that the project does not use."""
    with redirect_stdout(StringIO()) as printed:
        import mmdet.datasets  # noqa: F401
    print(printed.getvalue().replace(f"{NO_ONEDL}\n", ""), end="")


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the type of a command's option that is a whole number of at least ``least``."""
    range_ = f"of at least {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        # so that Python neither refuses to read it nor a library to store it
        whole = re.fullmatch(r"-?[0-9]{1,18}", text) is not None
        if not whole or int(text) < least or (most is not None and int(text) > most):
            raise ArgumentTypeError(f"{text!r} is no whole number {range_}")
        return int(text)

    return parse


def number(least: float, most: float = math.inf) -> Callable[[str], float]:
    """Return the type of a command's option that is a number from ``least`` to ``most``."""

    def parse(text: str) -> float:
        try:
            given = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            given = math.nan
        if not least <= given <= most:
            raise ArgumentTypeError(f"{text!r} is no number from {least:g} to {most:g}")
        return given

    return parse


def stopping_options(verb: ArgumentParser) -> None:
    """Declare the options of verbs that stop in time and have loader workers."""
    verb.add_argument(
        "--deadline",
        type=number(0),
        metavar="MINUTES",
        help="save and end with exit code 75 before so many minutes are over (default: never; "
        "SEESAW_DEADLINE, seconds since 1970, holds too)",
    )
    verb.add_argument(
        "--workers",
        type=at_least(0, MOST),
        metavar="N",
        help="processes that load images (default: the config's on a GPU, none on a CPU)",
    )
