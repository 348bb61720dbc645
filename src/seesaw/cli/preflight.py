"""``seesaw doctor`` and ``preflight``."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from seesaw.cli.common import load_mmdet, no_file, number, scale_of
from seesaw.core.borders import console
from seesaw.errors import UserError
from seesaw.spec.scales import Scale


def add(verb) -> None:
    """Declare the verbs."""
    verb(doctor, "check what this machine has for a scale, and say what to do; 1 if it lacks some")
    text = "before the first GPU-hour: models, data, schedules, memory; 1 if a check fails"
    sub = verb(preflight, text)
    sub.add_argument(
        "--measure",
        nargs="*",
        metavar="SECTION",
        help="time each training and evaluation on this machine, random weights and images, into "
        "configs/costs/: training, detection, loader, switches, fps, peer (default: all)",
    )
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="in place of configs/costs")
    sub.add_argument(
        "--minutes", type=number(0), help="begin no measurement after so many (default: no limit)"
    )
    sub.add_argument(
        "--gpu-memory",
        type=number(1),
        metavar="GB",
        help="of one GPU (default: by site.yaml's model)",
    )


def doctor(args: Namespace) -> int:
    """Print a line for each check; exit code 1 if something that the scale needs is missing."""
    from seesaw.cli.checks import report, software, surroundings

    scale = scale_of(args)
    checks: dict[str, report.Check] = {
        "Python": software.python,
        "compiler": software.compiler,
        "packages": software.lock,
        "GPU": partial(software.gpu, scale),
        "operators": partial(software.operators, scale),
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
    report.print_findings(found, console(120))
    return int(any(finding.state == "missing" for finding in found.values()))


def preflight(args: Namespace) -> int:
    """Check a scale; exit code 1 if a check fails."""
    scale, measures = scale_of(args), args.measure is not None
    of_measure = {"--out": args.out, "--minutes": args.minutes}
    unused = {"--gpu-memory": args.gpu_memory} if measures else of_measure
    for option, value in unused.items():
        if value is not None:
            fix = "leave one of them out" if measures else "add that, or leave it out"
            what = "is not" if measures else "is only"
            raise UserError(f"{option} {value} {what} for --measure; {fix}.")
    if measures:
        return _measure(args, scale)
    from seesaw.spec import expected, site

    here, numbers = site.load(), expected.load()
    load_mmdet()
    from seesaw.cli.checks import preflight_check, preflight_report

    with redirect_stdout(sys.stderr):  # the page stands alone on stdout
        report = preflight_check.preflight(scale, numbers, here, args.gpu_memory)
    preflight_report.print_report(report, scale)
    return int(not report.green)


def _measure(args: Namespace, scale: Scale) -> int:
    from seesaw.workflow import rates

    folder = args.out or rates.FOLDER
    no_file(folder)
    load_mmdet()
    from seesaw.cli.checks import preflight_measure

    sections = tuple(args.measure) or preflight_measure.SECTIONS
    if unknown := sorted(set(sections) - set(preflight_measure.SECTIONS)):
        raise UserError(
            f"--measure {unknown[0]}: no such section; use {', '.join(preflight_measure.SECTIONS)}."
        )
    until = None if args.minutes is None else time.time() + 60 * args.minutes
    path = preflight_measure.run(scale, sections, folder, until)
    print(path)
    if failed := preflight_measure.failures(path, sections):
        print(f"{path}: {len(failed)} measurements failed, first {failed[0]}", file=sys.stderr)
    return int(bool(failed))
