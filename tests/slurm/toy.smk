# Toy trainings through the project's own profile, site settings, segments and Slurm commands.
import os
import sys
from pathlib import Path

from seesaw.workflow.slurm import controller, ledger, segments
from seesaw.workflow.slurm import resources as slurm
from seesaw.spec import site

SITE = site.load()
SOURCE = Path(workflow.basedir)
TOY = f"{sys.executable} {SOURCE}/toy.py"
os.environ[ledger.SCALE] = "toy"
if prefix := slurm.shell_prefix(SITE):
    shell.prefix(prefix)


# iterations, seconds each, and after how many a segment is cut off
TOGETHER = {
    "wall": "200 0.4",
    "cancelled": "60 0.4",
    "requeued": "60 0.4",
    "spot": "60 0.4",
    "scavenge": "60 0.4",
    "killed": "9 0.1",
    "held": "3 0.1",
    "bad_node": "3 0.1",
}
ALONE = {
    "cut": "18 0.05 1",
    "orphan": "240 0.4",
    "pinned": "3 0.1",
    "left": "20 0.1",
    "taken": "20 0.1",
    "twin": "3 0.1",
    "stuck": "3 0.1 0",
}
EXTRA = {"held": "--hold", "pinned": "--nodelist=node1 --begin=now+45"}
# Each of the two nodes has 512 GB: a second job of this size preempts the first.
LARGE = {"spot": 300000, "scavenge": 300000}
RESOURCES = {
    **slurm.job(SITE, mem_mb=100, runtime="1m", work=lambda w: Path("work", w.toy)),
    "mem_mb": lambda w: segments.memory(LARGE.get(w.toy, 100), Path("work", w.toy)),
    "runtime": lambda w: 1 if w.toy == "wall" else 5,
    "slurm_partition": lambda w: w.toy if w.toy in LARGE else "gpu",
    "slurm_extra": lambda w: EXTRA.get(w.toy, ""),
}


wildcard_constraints:
    toy="|".join(TOGETHER | ALONE),


onstart:
    controller.alone()


rule all:
    input:
        expand("out/{toy}", toy=TOGETHER),
        "out/ranks",


rule train:
    input:
        lambda w: ["large"] if w.toy == "left" else [],
    output:
        "out/{toy}",
    log:
        "logs/{toy}.log",
    benchmark:
        "logs/{toy}.tsv"
    resources:
        **RESOURCES,
    params:
        numbers=lambda w: (TOGETHER | ALONE)[w.toy],
        lr=config.get("lr", 1),
    shell:
        f"{slurm.trainer(SITE, 0, 'work/{wildcards.toy}', alone=TOY)} work/{{wildcards.toy}} {{output}}"
        " {params.numbers} > {log} 2>&1"


localrules:
    away,


rule away:
    output:
        "out/away",
    log:
        "logs/away.log",
    shell:
        "while [ ! -e away ]; do sleep 0.2; done; touch {output} 2> {log}"


rule after:
    input:
        "out/away",
    output:
        "out/after",
    log:
        "logs/after.log",
    resources:
        **slurm.job(SITE, mem_mb=100, runtime="1m", gpus=1),
    shell:
        "cp {input} {output} 2> {log}"


rule ranks:
    output:
        "out/ranks",
    log:
        "logs/ranks.log",
    resources:
        **slurm.job(SITE, mem_mb=1000, runtime="5m", gpus=SITE.gpus["paper"]),
    shell:
        f"{slurm.trainer(SITE, SITE.gpus['paper'], 'work/ranks', module=f'{SOURCE}/ranks.py')}"
        " work/ranks {output} > {log} 2>&1"
