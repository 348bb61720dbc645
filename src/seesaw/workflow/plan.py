"""What remains to be done for a target: costs, critical path, and what a budget allows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from seesaw.core.borders import listing
from seesaw.errors import UserError
from seesaw.spec.experiments import Experiments
from seesaw.spec.scales import snakemake_command
from seesaw.workflow.costs import Cost, Costs
from seesaw.workflow.jobs import Job, closure, in_order

SHARED = "shared: data, speed, tables"
NUMBER = r"(\d{1,3}([,_]\d{3})+|\d*)(\.\d+)?"


@dataclass(frozen=True)
class Row:
    """An experiment's own jobs, without those that it shares with others."""

    name: str  # id of the evaluation, or `SHARED`
    costs: dict[str, Cost]  # costs of its unfinished jobs; empty if all are finished
    hours: float  # wall time from its first job to its last, for the slowest seed
    fits: bool | None = None  # in the budget; None without a budget or if it is finished

    @property
    def gpu_hours(self) -> float:
        """GPU-hours, summed over its jobs."""
        return sum(c.gpu_hours for c in self.costs.values())

    @property
    def gigabytes(self) -> float:
        """Disk space, summed over its jobs."""
        return sum(c.gigabytes for c in self.costs.values())

    @property
    def basis(self) -> str:
        """Where its times come from."""
        found = {c.basis for c in self.costs.values()}
        return ", ".join(b for b in ("measured", "estimate", "unknown") if b in found) or "finished"


@dataclass(frozen=True)
class Plan:
    """The remaining costs of a target."""

    rows: list[Row]  # rows in the experiment table's order, then the shared jobs
    costs: dict[str, Cost]  # id -> cost of each unfinished job, in topological order
    path: list[str]  # the critical path: ids of the chain of jobs that takes longest, in order

    @property
    def gpu_hours(self) -> float:
        """GPU-hours, summed over all jobs."""
        return sum(c.gpu_hours for c in self.costs.values())

    @property
    def hours(self) -> float:
        """Wall time of the critical path, a lower bound with any number of GPUs."""
        return sum(self.costs[job].hours for job in self.path)


def plan(
    jobs: Mapping[str, Job],
    done: set[str],
    costs: Costs,
    table: Experiments,
    budget: float | None = None,
) -> Plan:
    """Return the costs of a target's jobs.

    ``done`` jobs cost nothing. Within a budget (GPU-hours) experiments are added in the table's
    order, each with the jobs that it needs, and one that does not fit any more is skipped.
    """
    left = {i: costs.cost(job) for i, job in jobs.items() if i not in done}
    paid: set[str] = set()
    rows = []
    of: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs.values():
        of[job.experiment].append(job)
    for name in [*in_order(table), ""]:
        own = of[name]
        mine = {job.id: left[job.id] for job in own if job.id in left}
        if not own:
            continue
        fits = None
        if budget is not None and mine and name:
            needed = closure(jobs, mine) & left.keys() - paid
            price = sum(left[i].gpu_hours for i in needed)
            fits = price <= budget and all(left[i].basis != "unknown" for i in needed)
            if fits:
                budget -= price
                paid |= needed
        seeds = {job.seed for job in own}
        of_seed = (sum(c.hours for i, c in mine.items() if jobs[i].seed == s) for s in seeds)
        rows.append(Row(name or SHARED, mine, max(of_seed), fits))
    return Plan(rows, left, critical_path(jobs, left))


def critical_path(jobs: Mapping[str, Job], left: Mapping[str, Cost]) -> list[str]:
    """Return the chain of unfinished jobs with the longest wall time, in order."""
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for i, cost in left.items():  # in topological order
        waited = [need for need in jobs[i].needs if need in left]
        before[i] = max(waited, key=ends.__getitem__, default=None)
        ends[i] = cost.hours + (ends[last] if (last := before[i]) else 0.0)
    path: list[str] = []
    job = max(ends, key=ends.__getitem__, default=None)
    while job:
        path.insert(0, job)
        job = before[job]
    return path


def parse_budget(text: str | None) -> float | None:
    """Parse GPU-hours such as ``200gpuh`` (or ``200``); None if no budget was given.

    Raises:
        UserError: the text is not a number of GPU-hours.
    """
    if text is None:
        return None
    found = re.fullmatch(rf"({NUMBER}) *(gpu-?h(ours?)?)?", text.strip().lower())
    if not found or not found.group(1):
        raise UserError(f"--budget {text}: give GPU-hours, for instance 200gpuh.")
    return float(re.sub("[_,]", "", found.group(1)))


def print_plan(made: Plan, jobs: Mapping[str, Job], costs: Costs, console: Console) -> None:
    """Print a plan within the console's width."""
    budgeted = any(row.fits is not None for row in made.rows)
    numbers = [*([f"GPU-h ({costs.gpu})"] if costs.on_gpus else []), "wall time", "disk"]
    last = ["from", "fits"] if budgeted else ["from"]
    body = listing("experiment", *numbers, *last, numbers=numbers)
    fits = {True: "yes", False: "no", None: ""}
    for row in made.rows:
        cells = [row.name, *([_hours(row.gpu_hours)] if costs.on_gpus else [])]
        cells += [duration(row.hours), _size(row.gigabytes), row.basis]
        cells += [fits[row.fits]] if budgeted else []
        body.add_row(*map(Text, cells), style="dim" if not row.costs else None)
    console.print(body)
    for line in summary(made, costs):
        console.print(Text(line))
    if budgeted:
        chosen = [row for row in made.rows if row.fits]
        files = [str(jobs[i].outputs[0]) for row in chosen for i in _final(row, jobs)]
        said = snakemake_command(costs.scale, *files) if files else "nothing"
        console.print(Text(f"within the budget: {said}"), soft_wrap=True)


def summary(made: Plan, costs: Costs) -> list[str]:
    """Return the totals in sentences."""
    known = sum(c.gpu_hours for c in made.costs.values() if c.basis == "measured")
    guess = (made.gpu_hours - known) * costs.assumed.uncertainty
    spread = f" ({_hours(made.gpu_hours - guess)} to {_hours(made.gpu_hours + guess)})"
    size = sum(c.gigabytes for c in made.costs.values())
    work = f"{_hours(made.gpu_hours)} GPU-hours{spread if guess else ''}"
    if not costs.on_gpus:
        work = f"{duration(sum(c.hours for c in made.costs.values()))} one after another"
    lines = [f"{len(made.costs)} jobs: {work}, {_size(size) or '0 GB'} on disk"]
    if made.path:
        chain = " → ".join(f"{i} {duration(made.costs[i].hours)}" for i in made.path)
        lines.append(f"critical path, without queueing: {duration(made.hours)}: {chain}")
    if any(c.basis == "estimate" for c in made.costs.values()):
        percent = f"{100 * costs.assumed.uncertainty:.0f} %"
        lines.append(f"estimate: ± {percent}, from configs/costs.yaml")
    if unknown := [i for i, c in made.costs.items() if c.basis == "unknown"]:
        note = f"unknown, counted as 0: {', '.join(unknown)}"
        rules = dict.fromkeys(i.partition("/")[0] for i in unknown)
        lines.append(f"{note}; write {_asked([*rules], costs)} in configs/costs.yaml")
    return lines


def _asked(rules: list[str], costs: Costs) -> str:
    """Return the entries of configs/costs.yaml that give the costs of these rules' jobs."""
    hours = [rule for rule in rules if costs.on_gpus and rule in ("train", "detect")]
    asked = ["the hours of their trainings under hours"] if hours else []
    if minutes := [rule for rule in rules if rule not in hours]:
        asked.append(f"the minutes of {', '.join(minutes)} under scales.{costs.scale.name}.minutes")
    return " and ".join(asked)


def duration(hours: float) -> str:
    """Format a wall time in at most two units: ``16 d 20 h``, ``3 h 05 min``, ``12 min``."""
    minutes = round(hours * 60)
    if minutes == 0:
        return "0" if hours == 0 else "< 1 min"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    whole = round(hours)
    return f"{whole // 24} d {whole % 24} h"


def _final(row: Row, jobs: Mapping[str, Job]) -> list[str]:
    """Return the row's jobs on which no other job of the row depends."""
    inner = {need for i in row.costs for need in jobs[i].needs}
    return [i for i in row.costs if i not in inner]


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if 0 < hours < 10 else f"{hours:,.0f}"


def _size(gigabytes: float) -> str:
    return f"{gigabytes:,.1f} GB" if gigabytes else ""
