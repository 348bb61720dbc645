"""``seesaw doctor``."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

from seesaw.cli.common import scale_of
from seesaw.core.borders import console


def add(verb) -> None:
    """Declare the verbs."""
    verb(doctor, "check what this machine has for a scale, and say what to do; 1 if it lacks some")


def doctor(args: Namespace) -> int:
    """Print a line for each check; exit code 1 if something that the scale needs is missing."""
    from seesaw.cli.checks import report, software, surroundings

    scale = scale_of(args)
    checks: dict[str, report.Check] = {
        "Python": software.python,
        "compiler": software.compiler,
        "packages": software.lock,
        "GPU": partial(software.gpu, scale),
        "operators": software.operators,
        "NCCL": partial(software.nccl, scale),
        "site.yaml": surroundings.settings,
        "SLURM": partial(surroundings.slurm, scale),
        "user": surroundings.user,
        "folders": partial(surroundings.folders, scale),
        "disk": partial(surroundings.disk, scale),
        "W&B": surroundings.wandb,
        "DVC remote": surroundings.dvc,
        "dataset": partial(surroundings.dataset, scale),
        "pre-trained weights": partial(surroundings.weights, scale),
    }
    found = report.run(checks)
    report.render(found, console(120))
    return int(any(finding.state == "missing" for finding in found.values()))
