"""``seesaw preflight``."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path

from seesaw.cli.common import load_mmdet, no_file, number, scale_of
from seesaw.errors import UserError
from seesaw.spec.scales import Scale


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(preflight, "before the first GPU-hour: models, data, schedules, memory; 1 if red")
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


def preflight(args: Namespace) -> int:
    """Check a scale; exit code 1 if a check fails."""
    scale = scale_of(args)
    if args.measure is not None:
        return _measure(args, scale)
    from seesaw.spec import expected, site

    here, numbers = site.load(), expected.load()
    load_mmdet()
    from seesaw.cli.checks import preflight_check, preflight_page

    with redirect_stdout(sys.stderr):  # the page stands alone on stdout
        report = preflight_check.preflight(scale, numbers, here, args.gpu_memory)
    preflight_page.render(report, scale)
    return int(not report.green)


def _measure(args: Namespace, scale: Scale) -> int:
    load_mmdet()
    from seesaw.cli.checks import preflight_measure
    from seesaw.workflow import rates

    if args.out:
        no_file(args.out)
    sections = tuple(args.measure) or preflight_measure.SECTIONS
    if unknown := sorted(set(sections) - set(preflight_measure.SECTIONS)):
        raise UserError(
            f"--measure {unknown[0]}: no such section; use {', '.join(preflight_measure.SECTIONS)}."
        )
    until = None if args.minutes is None else time.time() + 60 * args.minutes
    path = preflight_measure.run(scale, sections, args.out or rates.FOLDER, until)
    print(path)
    if failed := preflight_measure.failures(path, sections):
        print(f"{path}: {len(failed)} measurements failed, first {failed[0]}", file=sys.stderr)
    return int(bool(failed))
