"""``seesaw preflight``."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import redirect_stdout

from seesaw.verbs import scale_of


def add(verb) -> None:
    """Declare the verb."""
    sub = verb(preflight, "before the first GPU-hour: models, data, schedules, memory; 1 if red")
    sub.add_argument(
        "--gpu-memory", type=float, metavar="GB", help="of one GPU (default: by site.yaml's model)"
    )


def preflight(args: Namespace) -> int:
    """Check a scale; exit code 1 if a check fails."""
    scale = scale_of(args)
    from seesaw.cluster import site
    from seesaw.preflight import expected, page

    with redirect_stdout(sys.stderr):
        from seesaw.preflight import check

    here, numbers = site.load(), expected.load()
    with redirect_stdout(sys.stderr):  # mmdet prints while it loads
        report = check.preflight(scale, numbers, here, args.gpu_memory)
    page.render(report, scale)
    return int(not report.green)
