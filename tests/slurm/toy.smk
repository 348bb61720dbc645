# Toy trainings through the project's own profile, site settings, segments and squeue.
import sys
from pathlib import Path

from seesaw.cluster import site

SITE = site.load()
SOURCE = Path(workflow.basedir)
TOY = f"{sys.executable} {SOURCE}/toy.py"
site.watch_queue(SOURCE.parents[1] / "workflow/bin")
if prefix := SITE.shell_prefix():
    shell.prefix(prefix)


# iterations, seconds each, and after how many a segment is cut off
TRAININGS = {"wall": "200 0.4", "cancelled": "60 0.4", "killed": "9 0.1"}
LATER = {"cut": "18 0.05 1", "outage": "150 0.2"}


wildcard_constraints:
    toy="|".join(TRAININGS | LATER),


rule all:
    input:
        expand("out/{toy}", toy=TRAININGS),
        "out/ranks",


rule train:
    output:
        "out/{toy}",
    log:
        "logs/{toy}.log",
    benchmark:
        "logs/{toy}.tsv"
    resources:
        **SITE.job(mem_mb=100, runtime="1m", work=lambda w: Path("work", w.toy)),
    params:
        numbers=lambda w: (TRAININGS | LATER)[w.toy],
    shell:
        f"{SITE.trainer(0, 'work/{wildcards.toy}', alone=TOY)} work/{{wildcards.toy}} {{output}}"
        " {params.numbers} > {log} 2>&1"


rule ranks:
    output:
        "out/ranks",
    log:
        "logs/ranks.log",
    resources:
        **SITE.job(mem_mb=1000, runtime="5m", gpus=SITE.gpus["paper"]),
    shell:
        f"{SITE.trainer(SITE.gpus['paper'], 'work/ranks', module=f'{SOURCE}/ranks.py')}"
        " work/ranks {output} > {log} 2>&1"
