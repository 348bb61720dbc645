rule detect:
    input:
        manifest=str(ENTRY.manifest),
        model=MODEL,
    output:
        f"{EVALUATED}/detections.jsonl",
    log:
        f"{LOGS}/detect/{{training}}/seed{{seed}}/{{evaluation}}.log",
    benchmark:
        f"{BENCHMARKS}/detect/{{training}}_seed{{seed}}_{{evaluation}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **slurm.job(
            SITE,
            mem_mb=4000,
            runtime=SITE.segment,
            gpus=min(GPUS, 1),
            work=lambda w: SCALE.detecting(w.evaluation, w.seed),
        ),
    params:
        options=OPTIONS,
        fingerprint=lambda w: fingerprint_of(f"detect/{w.evaluation}"),
    message:
        "Detect {wildcards.evaluation}, seed {wildcards.seed}"
    shell:
        f"{DETECTOR} detect {{wildcards.evaluation}} --seed {{wildcards.seed}} {{params.options}}"
        f" --threads {{threads}}{LOADERS} > {{log:q}} 2>&1"


rule evaluate:
    input:
        manifest=str(ENTRY.manifest),
        detections=f"{EVALUATED}/detections.jsonl",
    output:
        f"{EVALUATED}/metrics.json",
        f"{EVALUATED}/matches.npz",
        f"{EVALUATED}/replicates.json",
    log:
        f"{LOGS}/evaluate/{{training}}/seed{{seed}}/{{evaluation}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate/{{training}}_seed{{seed}}_{{evaluation}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        **slurm.job(SITE, mem_mb=4000, runtime="1h"),
    params:
        options=OPTIONS,
        fingerprint=FINGERPRINTS["evaluate"],
    message:
        "Evaluate {wildcards.evaluation}, seed {wildcards.seed}"
    shell:
        "seesaw evaluate {wildcards.evaluation} --seed {wildcards.seed} {params.options} > {log:q} 2>&1"


rule errors:
    input:
        manifest=str(ENTRY.manifest),
        detections=lambda w: str(
            SCALE.detections(EXPERIMENTS.evaluations[w.evaluation], int(w.seed))
        ),
    output:
        f"{RESULTS}/errors/{{evaluation}}/seed{{seed}}/errors.json",
    log:
        f"{LOGS}/errors/{{evaluation}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/errors/{{evaluation}}_seed{{seed}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        **slurm.job(SITE, mem_mb=4000, runtime="1h"),
    params:
        options=OPTIONS,
        fingerprint=FINGERPRINTS["errors"],
    message:
        "Errors of {wildcards.evaluation}, seed {wildcards.seed}"
    shell:
        "seesaw errors {wildcards.evaluation} --seed {wildcards.seed} {params.options} > {log:q} 2>&1"


rule speed:
    input:
        models=speed_models,
    output:
        str(SCALE.speed),
    log:
        f"{LOGS}/speed.log",
    benchmark:
        f"{BENCHMARKS}/speed.tsv"
    conda:
        "../../environment.yml"
    # This job takes all of the workflow's cores, so that nothing else runs beside a timing.
    threads: workflow.resource_settings.cores or 1
    resources:
        **slurm.job(SITE, mem_mb=4000, runtime="1h", gpus=min(GPUS, 1)),
    params:
        options=OPTIONS + FEW,
        fingerprint=FINGERPRINTS["speed"],
    message:
        "Inference speed of Table A2"
    shell:
        "seesaw speed {params.options} > {log:q} 2>&1"
