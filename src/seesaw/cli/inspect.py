"""``seesaw diff`` and ``seesaw fingerprints``: the results of resolving configs and code."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from contextlib import redirect_stdout

from seesaw.cli.common import scale_of
from seesaw.errors import UserError
from seesaw.spec import experiments


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(diff, "the difference of two resolved configs")
    sub.add_argument("a")
    sub.add_argument("b")
    verb(fingerprints, "what each training, detection and evaluation depends on, as hashes")


def diff(args: Namespace) -> None:
    """Print the keys in which two experiments' resolved configs differ."""
    from seesaw.spec.config import difference, resolve

    scale, rows = scale_of(args), experiments.load()
    files = []
    for name in (args.a, args.b):
        evaluation = rows.evaluation(name)
        if evaluation.config_path is None:
            raise UserError(f"configs/*/{evaluation.id}.py is missing: this rung is not built.")
        files.append(evaluation.config_path)
    for key, old, new in difference(*(resolve(path, scale, register=False) for path in files)):
        print(f"{key}: {json.dumps(old, default=str)} -> {json.dumps(new, default=str)}")


def fingerprints(args: Namespace) -> None:
    """Print hashes of what each training, detection and evaluation depends on."""
    from seesaw.workflow.dependencies import compute

    with redirect_stdout(sys.stderr):  # mmdet prints while it is imported
        made = compute(scale_of(args))
    print(json.dumps(made, indent=1))
