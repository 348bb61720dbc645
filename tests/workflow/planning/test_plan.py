"""Plans: sums, the critical path, finished work, budgets."""

import math
import re
from pathlib import Path

import pytest
from facts import lacks
from rich.console import Console
from traces import DATA, make, make_data, write

from seesaw.errors import UserError
from seesaw.spec.paper import load as values
from seesaw.spec.scales import Scale
from seesaw.workflow import rates
from seesaw.workflow.costs import Cost, Costs
from seesaw.workflow.jobs import Job, finished, workflow
from seesaw.workflow.plan import (
    SHARED,
    critical_path,
    duration,
    parse_budget,
    plan,
    print_plan,
    summary,
)


@pytest.fixture
def planned(graph):
    """The plan of a target at paper scale."""

    def of(target="all", budget=None, **options):
        costs = Costs(graph.scale.table, graph.scale, **options)
        done = finished(graph.every, None)
        return plan(graph.select(target), done, costs, costs.table, budget)

    return of


def chain(*lengths):
    """Jobs a, b, ... of these hours, each needing the one before."""
    names = "abcdefg"[: len(lengths)]
    jobs = {
        n: Job(n, (Path(n),), tuple(names[i - 1 : i]) if i else ()) for i, n in enumerate(names)
    }
    costs = {n: Cost(8 * h, h, 0, "estimate") for n, h in zip(names, lengths, strict=True)}
    return jobs, costs


def test_the_total_is_the_sum_over_jobs_and_over_rows(planned, graph):
    made = planned()
    assert made.costs.keys() == graph.select("all").keys()
    assert made.gpu_hours == pytest.approx(math.fsum(c.gpu_hours for c in made.costs.values()))
    assert made.gpu_hours == pytest.approx(math.fsum(row.gpu_hours for row in made.rows))
    assert sum(len(row.costs) for row in made.rows) == len(made.costs)


def test_the_trainings_of_the_paper_by_hand(planned):
    stated = sum(rates.assumed().hours[name] for name in values().parameters)
    # Table A1 139 + 182 + 186 + 258 + 384 + 417 + 907 + 1,739 + 2 x 3,230 + 368,
    # Table A2 123 + 172 + 115, Figure A2 4 x (176 + 217 + 238 + 295)
    assert stated == 11040 + 410 + 3704
    costs = planned().costs
    assert sum(costs[f"train/{name}/seed0"].gpu_hours for name in values().parameters) == (
        pytest.approx(stated)
    )


def test_a_row_is_its_training_detection_and_evaluation(planned):
    rows = {row.name: row for row in planned("table_a1").rows}
    a01 = rows["a01_mask_rcnn"]
    assert sorted(i.partition("/")[0] for i in a01.costs) == ["detect", "evaluate", "train"]
    assert a01.gpu_hours == pytest.approx(139 + 0.6599, abs=1e-3)
    assert a01.hours == pytest.approx(139 / 8 + 0.6599 + 5 / 60, abs=1e-3)
    assert list(rows)[-1] == SHARED and "test_dev_a12" not in rows


def test_the_critical_path_goes_through_a10_and_a11(planned):
    made = planned("table_a1")
    assert made.path == [
        "download/lvis_v1",
        "data",
        "train/a10_seesaw/seed0",
        "train/a11_dual_head/seed0",
        "detect/a11_dual_head/seed0/a12_test_time_augmentation",
        "evaluate/a11_dual_head/seed0/a12_test_time_augmentation",
        "table/table_a1",
    ]
    by_hand = 45 / 60 + 10 / 60 + 3230 / 8 + 368 / 8 + 99 * 19809 / 39631 + 5 / 60 + 1 / 60
    assert made.hours == pytest.approx(by_hand)


def test_the_critical_path_by_hand():
    jobs, costs = chain(1, 2, 3)
    jobs["x"] = Job("x", (Path("x"),), ("a",))
    costs["x"] = Cost(0, 5.5, 0, "estimate")
    jobs["end"] = Job("end", (Path("end"),), ("c", "x"))
    costs["end"] = Cost(0, 1, 0, "estimate")
    assert critical_path(jobs, costs) == ["a", "x", "end"]
    costs["x"] = Cost(99, 4.5, 0, "estimate")  # hours count, not GPU-hours
    assert critical_path(jobs, costs) == ["a", "b", "c", "end"]
    del costs["a"], costs["b"]  # finished
    assert critical_path(jobs, costs) == ["x", "end"]
    assert critical_path(jobs, {}) == []


def test_finished_work_costs_nothing(planned, paper):
    before = planned()
    jobs = paper[2]
    own = [*DATA] + [i for i, job in jobs.items() if job.experiment == "a01_mask_rcnn"]
    for job in own:
        make(jobs[job])
    after = planned()
    row = next(row for row in after.rows if row.name == "a01_mask_rcnn")
    assert (row.gpu_hours, row.hours, row.gigabytes, row.basis) == (0, 0, 0, "finished")
    assert before.costs.keys() - after.costs.keys() == set(own)
    saved = sum(before.costs[job].gpu_hours for job in own)
    assert after.gpu_hours == pytest.approx(before.gpu_hours - saved)


def test_a_budget_is_spent_in_the_tables_order(planned):
    # 139.7 + 182.8; a03 (186.8) no longer fits, nor a04 to a12; b01 (124.0) does
    made = planned("all", budget=500)
    fits = {row.name: row.fits for row in made.rows}
    assert [name for name, yes in fits.items() if yes] == [
        "a01_mask_rcnn",
        "a02_syncbn",
        "b01_cascade_mask_rcnn",
    ]
    assert fits["a03_carafe"] is False and fits[SHARED] is None


def test_an_experiment_brings_what_it_needs_into_the_budget(planned, paper):
    # a11 needs a10's training: 3,230 + 368 + its detection 5.04
    assert [row.fits for row in planned("a11", budget=3603).rows] == [True, False, None]
    assert [row.fits for row in planned("a11", budget=3604).rows] == [True, True, None]
    make_data(paper[2])
    make(paper[2]["train/a10_seesaw/seed0"])
    assert [row.fits for row in planned("a11", budget=374).rows][1] is True


def test_without_a_budget_nothing_is_said_of_it(planned):
    assert {row.fits for row in planned().rows} == {None}


@pytest.mark.parametrize(
    ("text", "hours"),
    [("200gpuh", 200), ("1,500 GPU-hours", 1500), ("0.5", 0.5), (" 12gpu-h", 12), (None, None)],
)
def test_budgets(text, hours):
    assert parse_budget(text) == hours


@pytest.mark.parametrize("text", ["200 eur", "gpuh", "-3", "", "2,5gpuh"])
def test_a_budget_that_is_none(text):
    with pytest.raises(UserError, match=re.escape(f"--budget {text}: ")):
        parse_budget(text)


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0, "0"), (0.001, "< 1 min"), (0.2, "12 min"), (3.08, "3 h 05 min"), (403.75, "16 d 20 h")],
)
def test_durations(hours, text):
    assert duration(hours) == text


def test_what_is_printed(graph, capsys):
    costs = Costs(graph.scale.table, graph.scale)
    chosen = graph.select("figure_a2")
    made = plan(chosen, set(), costs, costs.table, 200)
    print_plan(made, chosen, costs, Console(width=100))
    text = capsys.readouterr().out
    assert re.search(r"mask_rcnn_random_ce +177 .* estimate +yes", text)
    assert re.search(r"cascade_rfs_seesaw +29\d .* no", text)
    assert "estimate: ± 50 %" in text
    target = "results/paper/mask_rcnn_random_ce/seed0/mask_rcnn_random_ce/metrics.json"
    assert f"snakemake --profile slurm {target}\n" in text
    low, high = 0.5 * made.gpu_hours, 1.5 * made.gpu_hours
    assert f"({low:,.0f} to {high:,.0f})" in summary(made, costs)[0]


def test_a_training_without_stated_cost_is_reported(paper, planned):
    write(rates.FILE, rates.FILE.read_text().replace("  a01_mask_rcnn: 139\n", ""))
    made = planned("a01", budget=10**6)
    assert made.costs["train/a01_mask_rcnn/seed0"][:2] == (0, 0)
    line = summary(made, Costs(*paper[:2]))[-1]
    jobs = ("train/a01_mask_rcnn/seed0", "detect/a01_mask_rcnn")
    assert line.startswith("unknown") and not lacks(line, *jobs)
    assert "hours" in line and "minutes" not in line
    assert made.rows[0].fits is False


@pytest.mark.parametrize("name", ["smoke", "mini", "single_gpu", "paper"])
def test_every_rule_that_the_paper_needs_has_a_cost_at_every_scale(clone, name):
    scale = Scale(name)
    graph = workflow(scale)
    jobs = graph.select("all") | (graph.select("claims") if "claims" in graph.targets else {})
    made = plan(jobs, set(), Costs(scale.table, scale, 1), scale.table)
    unknown = {jobs[i].rule for i, cost in made.costs.items() if cost.basis == "unknown"}
    assert unknown <= {"train", "detect"}  # those of an added rung


def test_a_figure_without_stated_cost_asks_for_minutes(clone):
    write(rates.FILE, rates.FILE.read_text().replace("figure: 0.2, ", ""))
    scale = Scale("mini")
    costs = Costs(scale.table, scale)
    line = summary(plan(workflow(scale).select("figure_a3"), set(), costs, scale.table), costs)[-1]
    assert line.startswith("unknown") and "figure/figure_a3" in line
    assert "scales.mini.minutes" in line and "header" not in line


def test_single_gpu_takes_two_days(clone):
    graph = workflow(Scale("single_gpu"))
    table = graph.scale.table
    made = plan(graph.select("all"), set(), Costs(table, graph.scale, 1), table)
    # 176 and 217 V100-hours at paper scale, a sixth of the epochs, images at 0.35 of the cost
    training = 2 * (176 + 217) / 6 * 0.35
    detection = 4 * 19809 * (0.35 / 3 * 176 / (24 * 99388) + 0.05 / 3600)
    rfs = 2 * 19809 * 0.35 / 3 * (217 - 176) / (24 * 99388)
    assert made.gpu_hours == pytest.approx(training + detection + rfs, abs=1e-3)
    assert made.gpu_hours <= 48
    with pytest.raises(UserError, match=r"single_gpu\.yaml: .* table_a1"):
        graph.select("table_a1")


def test_a_scale_on_cpus_has_no_gpu_hours(clone, capsys):
    graph = workflow(Scale("mini"))
    chosen, costs = graph.select("a01"), Costs(graph.scale.table, graph.scale)
    made = plan(chosen, set(), costs, costs.table)
    minutes = rates.assumed().scales["mini"].minutes
    hours = sum(minutes[job.rule] for job in chosen.values()) / 60
    assert {job.rule for job in chosen.values()} > {"pretrain", "train", "detect", "evaluate"}
    assert (made.gpu_hours, made.hours) == (0, pytest.approx(hours))
    print_plan(made, chosen, costs, Console(width=100))
    text = capsys.readouterr().out
    assert "GPU" not in text
    assert f"{len(chosen)} jobs: {60 * hours:.0f} min " in text
