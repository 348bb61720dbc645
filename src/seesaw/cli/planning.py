"""``seesaw plan``, ``accept``, ``status`` and ``efficiency``."""

from __future__ import annotations

import os
import time
from argparse import Namespace

from rich.text import Text

from seesaw.cli.common import at_least, scale_of
from seesaw.core import paths
from seesaw.core.borders import console, listing
from seesaw.errors import UserError
from seesaw.spec import site
from seesaw.spec.scales import Scale
from seesaw.workflow import acceptances, dependencies, jobs
from seesaw.workflow import plan as planning
from seesaw.workflow import status as standings
from seesaw.workflow.costs import Costs
from seesaw.workflow.slurm import efficiency as efficiencies

TARGET = "all (default), report, submission, claims, zoo, a table, a figure or an experiment"
USED = ("jobs", "attempts", "hours", "GPU-hours", "lost", "longest / limit", "memory / asked")


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(plan, "what a target still costs: GPU-hours, wall time, disk, critical path")
    sub.add_argument("target", nargs="?", default="all", help=TARGET)
    sub.add_argument(
        "--gpus", type=at_least(1), help="GPUs of a training (default: the site's, or 8)"
    )
    sub.add_argument("--gpu", help="their type (default: the site's, or v100)")
    sub.add_argument("--budget", metavar="GPU-HOURS", help="say what fits, for instance 200gpuh")
    text = "keep finished trainings after a change that leaves their weights as they are"
    sub = verb(accept, text)
    sub.add_argument("experiments", nargs="+", metavar="EXPERIMENT")
    sub.add_argument("--because", required=True, metavar="REASON", help="for the record")
    sub.set_defaults(scale=os.environ.get("SEESAW_SCALE") or "paper")  # the scale that asks
    sub = verb(status, "where each experiment stands, from files alone; 1 if one needs you")
    sub.add_argument("target", nargs="?", default="all", help=TARGET)
    verb(efficiency, "what SLURM jobs asked for and used, by rule; needs no accounting")


def plan(args: Namespace) -> None:
    """Print the remaining costs of a target."""
    scale = scale_of(args)
    here = site.load()
    budget = planning.parse_budget(args.budget)
    gpus = args.gpus if args.gpus is not None else here.gpus.get(scale.name) or 8
    graph = jobs.workflow(scale)
    target = graph.target(args.target)
    chosen, rows = graph.select(target), jobs.rows(scale, target)
    known = dependencies.cached(scale)
    costs = Costs(rows, scale, gpus, args.gpu or here.gpu_model or None, known)
    made = planning.plan(chosen, jobs.finished(graph.every, known), costs, rows, budget)
    planning.print_plan(made, chosen, costs, console())
    _ask(scale, known)


def accept(args: Namespace) -> None:
    """Accept finished trainings for changed code or configs."""
    scale = scale_of(args)
    rows = [scale.table.training(name) for name in args.experiments]
    if not args.because.strip():
        raise UserError("--because is empty; say why the change leaves the weights as they are.")
    if not all(c.isprintable() or c.isspace() for c in args.because):
        # YAML would write what it cannot read again
        raise UserError(f"--because {args.because}: write it as UTF-8 without control characters.")

    def found() -> dict[str, str]:
        return acceptances.outdated(scale, dependencies.cached(scale))

    changed = {key.split("/")[1] for key in found()}
    for row in rows:
        if row.id not in changed:
            raise UserError(
                f"{row.id} has no finished training at scale {scale.name} that a change concerns; "
                "there is nothing to accept."
            )
        if row.init_from in changed and scale.table.trainings[row.init_from] not in rows:
            raise UserError(f"{row.id} starts from {row.init_from}; accept that too, or first.")
    # Parents come first, because accepting them also settles children that changed only with them.
    for row in sorted(rows, key=lambda t: t.init_from is not None):
        own = {k: v for k, v in found().items() if k.split("/")[1] == row.id}
        for entry in acceptances.accept(scale, dependencies.cached(scale), own, args.because):
            print(f"{entry.key.removeprefix('train/')}: {entry.remark}")
    if left := sorted(changed & {key.split("/")[1] for key in found()}):
        print(f"still to accept or to train again: {', '.join(left)}")
    print(f"noted in {paths.ACCEPTED}; commit it to share it")


def status(args: Namespace) -> int:
    """Print the state of a target's experiments; exit code 1 if one needs the user's attention."""
    scale = scale_of(args)
    graph, known = jobs.workflow(scale), dependencies.known(scale)
    target, done = graph.target(args.target), jobs.finished(graph.every, known)
    chosen = graph.select(target)
    found = [standings.standing(job, done, scale, known, time.time()) for job in chosen.values()]
    rows, again = jobs.rows(scale, target), graph.command(target)
    standings.print_status(found, rows, scale, console(), again, known is not None)
    _ask(scale, known)
    return int(any(s.state in standings.NEEDS_YOU for s in found))


def _ask(scale: Scale, known: dict | None) -> None:
    """Print the workflow's question about finished trainings that it would repeat, if any."""
    found = acceptances.outdated(scale, known) if known else {}
    if known and found and scale.overlay.ask_before_retraining:
        console().print(Text(acceptances.question(scale, known, found)), soft_wrap=True)


def efficiency(args: Namespace) -> None:
    """Print the resources that a scale's SLURM jobs requested and used."""
    scale = scale_of(args)
    rows = efficiencies.used(scale.full_name, scale.logs / "benchmarks")
    if not rows:
        raise UserError(
            f"no job of scale {scale.full_name} was submitted from this folder; run `snakemake "
            "--profile slurm all` in it first."
        )
    table = listing("rule", *USED, numbers=USED)
    for use in rows:
        shares = (use.lost if use.hours else None, use.time, use.memory)
        percent = ["–" if share is None else f"{100 * share:.0f} %" for share in shares]
        hours = (f"{use.hours:,.2f}", f"{use.gpu_hours:,.2f}")
        table.add_row(use.rule, str(use.jobs), str(use.attempts), *hours, *percent)
    console().print(table)
