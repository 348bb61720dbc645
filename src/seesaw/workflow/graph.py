"""The job graph as Snakemake builds it from the rules, written as JSON.

This module runs in a separate process (``python -m seesaw.workflow.graph <scale> <dataset>``)
because it loads Snakemake and executes the Snakefile. `seesaw.workflow.jobs` calls it and caches
its output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
from snakemake.api import SnakemakeApi
from snakemake.jobs import Job
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from seesaw.core import paths
from seesaw.spec import claims as claim_table
from seesaw.spec import zoo
from seesaw.spec.scales import Scale


def read(scale: Scale) -> dict[str, Any]:
    """Return ``jobs`` (id -> fields of `jobs.Job`) and ``targets`` (name -> job ids).

    A target is a rule without wildcards, or an evaluation in the experiment table. Jobs are in
    topological order, and otherwise in the order of the rules and of the table.
    """
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        config = {"scale": scale.name, "dataset": scale.dataset, "look": True}
        flow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=config),
            snakefile=paths.ROOT / "Snakefile",
        )
        workflow = flow._workflow  # the API has the graph as text only (snakemake issue 1884)
        rules = [rule.name for rule in workflow.rules if not rule.has_wildcards()]
        if claim_table.of(scale) is None:
            rules.remove("claims")  # this rule raises an error as a target of another scale
        files = _files(scale)
        wanted = {*rules, *(file for own in files.values() for file in own)}
        flow.dag(DAGSettings(targets=wanted, forceall=True))
        workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        dag, order = workflow.dag, [rule.name for rule in workflow.rules]
        makers = {file: job for job in dag.jobs for file in job.output}
        targets = {
            job.rule.name: [job] if job.log else [*dag.dependencies[job]]
            for job in dag.jobs
            if job.rule.name in rules
        }
        targets |= {name: [makers[file] for file in own] for name, own in files.items()}
        jobs = {
            _id(job, scale): _facts(job, dag.dependencies[job], scale)
            for job in dag.jobs
            if job.log
        }
    position = {job: n for n, job in enumerate(_in_order(jobs, order, scale))}
    for facts in jobs.values():
        facts["needs"].sort(key=position.__getitem__)
    ids = {
        name: sorted({_id(job, scale) for job in made}, key=position.__getitem__)
        for name, made in targets.items()
    }
    return {"jobs": {i: jobs[i] for i in position}, "targets": ids}


def _files(scale: Scale) -> dict[str, list[str]]:
    """Return evaluation -> its final files, one for each seed; tables need not show all of them."""
    table = scale.table
    final = {"val": scale.metrics, "test_dev": scale.submission}
    return {
        e.id: [str(final[e.split](e, seed)) for seed in table.seeds(e.id)]
        for e in table.evaluations.values()
        if table.built(e.id)
    }


def _id(job: Job, scale: Scale) -> str:
    """Return a job's id: its rule and wildcards, as in the name of its log."""
    return str(Path(job.log[0]).relative_to(scale.logs).with_suffix(""))


def _facts(job: Job, needs: dict, scale: Scale) -> dict[str, Any]:
    named = dict(job.wildcards.items())
    return {
        "outputs": list(job.output),
        "needs": sorted(_id(need, scale) for need in needs),
        "key": job.params.get("fingerprint") or "",
        "experiment": named.get("evaluation") or named.get("training") or "",
        "training": named.get("training", ""),
        "seed": int(named.get("seed", 0)),
        # Other parameters are the command's options, or in the fingerprint.
        "shown": [repr(value) for value in job.non_derived_params if isinstance(value, list)],
    }


def _in_order(jobs: dict[str, dict], rules: list[str], scale: Scale) -> Iterator[str]:
    """Return the ids by rule, then by row of the experiment table, in topological order."""
    rows = [*scale.table.trainings, *scale.table.evaluations, *zoo.load().models]
    row = {name: n for n, name in reversed([*enumerate(rows)])}  # the first of equal names
    rule = {name: n for n, name in enumerate(rules)}

    def rank(job: str) -> tuple:
        facts = jobs[job]
        at = [row.get(name, len(rows)) for name in (facts["training"], facts["experiment"])]
        return rule[job.partition("/")[0]], *at, facts["seed"], job

    graph = nx.DiGraph((need, job) for job, facts in jobs.items() for need in facts["needs"])
    graph.add_nodes_from(jobs)
    return nx.lexicographical_topological_sort(graph, key=rank)


if __name__ == "__main__":
    try:
        print(json.dumps(read(Scale(*sys.argv[1:]))))
    except Exception as error:  # `snakemake -n` shows the position of the error
        sys.exit(" ".join(str(error).split()))
