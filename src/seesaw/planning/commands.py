"""What ``seesaw plan`` and ``seesaw status`` do."""

from __future__ import annotations

import sys
import time
from argparse import Namespace

from rich.console import Console

from seesaw import dependencies
from seesaw.cluster import site
from seesaw.planning import jobs
from seesaw.planning import plan as planning
from seesaw.planning import status as standings
from seesaw.planning.costs import Costs
from seesaw.verbs import scale_of

WIDTH = 100
TARGET = "all (default), submission, a table or an experiment"


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(plan, "what a target still costs: GPU-hours, wall time, disk, critical path")
    sub.add_argument("target", nargs="?", default="all", help=TARGET)
    sub.add_argument("--gpus", type=int, help="GPUs of a training (default: the site's, or 8)")
    sub.add_argument("--gpu", help="their type (default: the site's, or v100)")
    sub.add_argument("--budget", metavar="GPU-HOURS", help="say what fits, for instance 200gpuh")
    sub = verb(status, "where each experiment stands, from files alone; 1 if one needs you")
    sub.add_argument("target", nargs="?", default="all", help=TARGET)


def plan(args: Namespace) -> None:
    """Print what a target still costs."""
    scale = scale_of(args)
    rows, here = scale.table, site.load()
    budget = planning.parse_budget(args.budget)
    gpus = args.gpus if args.gpus is not None else here.gpus.get(scale.name) or 8
    costs = Costs(rows, scale, gpus, args.gpu or here.gpu_model or None)
    # Without backbones: a wrong target is told before the fingerprints are made.
    jobs.select(jobs.workflow(rows, scale, {}), rows, scale, args.target)
    costs.fingerprints = known = dependencies.cached(scale)
    every = jobs.workflow(rows, scale, known["backbones"])
    chosen = jobs.select(every, rows, scale, args.target)
    made = planning.plan(chosen, jobs.finished(every, known), costs, rows, budget)
    planning.render(made, chosen, costs, _console())


def status(args: Namespace) -> int:
    """Print where a target's experiments stand; exit code 1 if one needs the user."""
    scale = scale_of(args)
    rows, known = scale.table, jobs.known_fingerprints(scale)
    every = jobs.workflow(rows, scale, (known or {}).get("backbones", {}))
    done = jobs.finished(every, known)
    chosen = jobs.select(every, rows, scale, args.target).values()
    found = [standings.standing(job, done, scale, known, time.time()) for job in chosen]
    standings.render(found, rows, scale, _console(), known is not None)
    return int(any(s.state in standings.NEEDS_YOU for s in found))


def _console() -> Console:
    """The terminal; 100 columns without colours where there is none."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)
