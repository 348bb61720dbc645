"""The target ``zoo``: its jobs, their cost and state."""

from collections import Counter

import pytest
from rich.console import Console
from traces import NOW, make

from seesaw.spec import zoo
from seesaw.spec.scales import Scale
from seesaw.workflow import plan, status
from seesaw.workflow.costs import Costs
from seesaw.workflow.jobs import finished, rows, workflow

FIRST = "zoo_mask_rcnn_r50_random"
CONVERT = f"convert/{FIRST}/seed0"


def test_every_model_is_converted_detected_and_scored(clone):
    jobs = workflow(Scale("paper")).select("zoo")
    each = dict.fromkeys(("convert", "detect", "evaluate"), len(zoo.load().models))
    found = Counter(job.rule for job in jobs.values())
    assert found == each | {"download": 3, "data": 1, "zoo": 1}
    assert jobs[CONVERT].needs == ("download/zoo",) and jobs[CONVERT].key == f"convert/{FIRST}"
    assert jobs[f"detect/{FIRST}/seed0/{FIRST}"].needs == ("data", CONVERT)
    small = workflow(Scale("smoke")).select("zoo")
    assert small[CONVERT].needs == () and not any("download" in i for i in small)


def test_its_cost_is_that_of_the_detections(clone):
    scale = Scale("paper")
    table, jobs = rows(scale, "zoo"), workflow(scale).select("zoo")
    made = plan.plan(jobs, set(), Costs(table, scale, 8), table)
    # of six configs, each with the checkpoints of both samplers
    assert made.gpu_hours == pytest.approx(1.3 + 3 * 1.5 + 2 * 2.2)
    assert [row.name for row in made.rows] == [*table.trainings, plan.SHARED]
    assert not [cost for cost in made.costs.values() if cost.basis == "unknown"]


@pytest.mark.parametrize("verb", ["plan", "status"])
def test_how_its_name_begins_is_enough(clone, printed, verb):
    assert FIRST in printed(verb, "zo", "--scale", "paper")


def test_a_converted_model_stands_in_its_own_column(clone, capsys):
    scale = Scale("smoke")
    table, jobs = rows(scale, "zoo"), workflow(scale).select("zoo")
    make(jobs[CONVERT], fingerprint="f1")
    assert finished(jobs, {f"convert/{FIRST}": "f1"}) == {CONVERT}
    assert finished(jobs, {f"convert/{FIRST}": "f2"}) == set()
    found = [status.standing(job, {CONVERT}, scale, None, NOW) for job in jobs.values()]
    status.print_status(found, table, scale, Console(width=100), "")
    head, _, first, second, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["experiment", "convert"]
    assert first.split() == [FIRST, "done", "–", "–"] and second.split()[1] == "–"
