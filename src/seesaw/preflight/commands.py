"""``seesaw preflight``."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from seesaw.errors import UserError
from seesaw.scales import Scale
from seesaw.verbs import scale_of


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(preflight, "before the first GPU-hour: models, data, schedules, memory; 1 if red")
    sub.add_argument(
        "--measure",
        nargs="*",
        metavar="SECTION",
        help="time each training and evaluation on this machine, random weights and images, into "
        "configs/costs/: training, detection, switches, fps, peer (default: all)",
    )
    sub.add_argument("--out", type=Path, metavar="FOLDER", help="in place of configs/costs")
    sub.add_argument(
        "--minutes", type=float, help="begin no measurement after so many (default: no limit)"
    )
    sub.add_argument(
        "--gpu-memory", type=float, metavar="GB", help="of one GPU (default: by site.yaml's model)"
    )


def preflight(args: Namespace) -> int:
    """Check a scale; exit code 1 if a check fails."""
    scale = scale_of(args)
    if args.measure is not None:
        return _measure(args, scale)
    from seesaw.cluster import site
    from seesaw.preflight import expected, page

    with redirect_stdout(sys.stderr):
        from seesaw.preflight import check

    here, numbers = site.load(), expected.load()
    with redirect_stdout(sys.stderr):  # mmdet prints while it loads
        report = check.preflight(scale, numbers, here, args.gpu_memory)
    page.render(report, scale)
    return int(not report.green)


def _measure(args: Namespace, scale: Scale) -> int:
    with redirect_stdout(sys.stderr):
        from seesaw.preflight import measure
    sections = tuple(args.measure) or measure.SECTIONS
    if unknown := sorted(set(sections) - set(measure.SECTIONS)):
        raise UserError(
            f"--measure {unknown[0]}: no such section; use {', '.join(measure.SECTIONS)}."
        )
    until = None if args.minutes is None else time.time() + 60 * args.minutes
    tell = partial(print, flush=True)
    print(measure.run(scale, sections, args.out or measure.FOLDER, tell, until))
    return 0
