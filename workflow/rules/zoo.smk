# mmdet's released models, detected and scored by the same rules as all other models.
rule convert:
    input:
        # On generated data a randomly initialised stand-in replaces the download.
        ancient(downloaded(["zoo"] if "pretrained" in SCALE.downloads else [])),
    output:
        MODEL,
    log:
        f"{LOGS}/convert/{{training}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/convert/{{training}}_seed{{seed}}.tsv"
    wildcard_constraints:
        training="|".join(ZOO),
        seed="0",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **slurm.job(SITE, mem_mb=4000, runtime="1h"),
    params:
        options=OPTIONS,
        fingerprint=lambda w: FINGERPRINTS[f"convert/{w.training}"],
    message:
        "Convert {wildcards.training}"
    shell:
        "seesaw convert {wildcards.training} {params.options} --threads {threads} > {log:q} 2>&1"


rule zoo:
    input:
        [str(SCALE.metrics(model.evaluation, 0)) for model in ZOO.values()],
        "configs/zoo.yaml",
    output:
        f"{SCALE.tables}/zoo.md",
        f"{SCALE.tables}/zoo.json",
    log:
        f"{LOGS}/zoo.log",
    benchmark:
        f"{BENCHMARKS}/zoo.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime="10m",
    params:
        options=OPTIONS,
        fingerprint=FINGERPRINTS["code/seesaw.results.zoo"],
    message:
        "Compare the released models with what is published"
    shell:
        # A model outside the tolerance is reported and fails the target; the verb prints all models.
        "seesaw zoo {params.options} > {log:q} 2>&1"
