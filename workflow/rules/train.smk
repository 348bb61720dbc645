rule train:
    input:
        manifest=str(ENTRY.manifest),
        counts=str(ENTRY.category_counts),
        start=starting_weights,
    output:
        # The work directory with checkpoints is not declared, because Snakemake would delete it.
        MODEL,
    log:
        f"{LOGS}/train/{{training}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{training}}_seed{{seed}}.tsv"
    wildcard_constraints:
        training="|".join(EXPERIMENTS.trainings),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **slurm.job(SITE, mem_mb=4000, runtime=SITE.segment, gpus=GPUS, work=work_directory),
    params:
        options=OPTIONS,
        fingerprint=training_fingerprint,
    message:
        "Train {wildcards.training}, seed {wildcards.seed}"
    shell:
        f"{TRAINER} train {{wildcards.training}} --seed {{wildcards.seed}} {{params.options}}"
        f" --fingerprint {{params.fingerprint}} --threads {{threads}}{ROOM} > {{log:q}} 2>&1"
