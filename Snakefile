"""The paper as a program: every number, table and submission from one experiment table."""

import re

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


# The image of tools/seesaw.def, used with --sdm apptainer alone.
container: "seesaw.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/zoo.smk"
include: "workflow/rules/submission.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"


wildcard_constraints:
    training="|".join([*EXPERIMENTS.trainings, *ZOO]),
    evaluation="|".join([*EXPERIMENTS.evaluations, *ZOO]),
    place="|".join(map(re.escape, EXPERIMENTS.places)),
    figure="|".join(figures.FIGURES),
    backbone="[a-z0-9]+",
    seed=r"\d+",
    download="|".join(DOWNLOADS),


# One of them, Figure A2, is a table too.
PAPER = dict.fromkeys([*PLACES, *figures.FIGURES])


rule all:
    default_target: True
    input:
        [target_files(name) for name in PAPER],
        submissions(),
        rules.report.output,


# Each table and figure is a target by its name, a table of one's own too.
for TARGET in PAPER | dict.fromkeys(EXPERIMENTS.places):

    rule:
        name:
            TARGET
        input:
            target_files(TARGET),


onstart:
    controller.alone()
    if ASKS and not workflow.touch:
        refuse_unexplained()


onsuccess:
    if workflow.executor_plugin.name == "seesaw-slurm":
        shell("seesaw efficiency {OPTIONS} || true")


# Existing results are shown even if a job failed; the exit code stays non-zero.
onerror:
    if not controller.stopped(log):
        if workflow.executor_plugin.name == "seesaw-slurm":
            shell("seesaw efficiency {OPTIONS} || true")
        shell("seesaw show {PLACES} {OPTIONS} || true")
        shell("seesaw report --partial {OPTIONS} || true")
