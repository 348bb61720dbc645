rule data:
    input:
        # A record that is made again or touched must not trigger a retraining.
        ancient(downloaded(SCALE.downloads)),
        # A user's correction makes the data, and all that follows, again.
        [str(path) for path in SCALE.own_annotations.values()],
    output:
        manifest=str(ENTRY.manifest),
        counts=str(ENTRY.category_counts),
    log:
        f"{LOGS}/data.log",
    benchmark:
        f"{BENCHMARKS}/data.tsv"
    # Compute nodes have no internet, and data are made only once.
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        options=OPTIONS,
        fingerprint=FINGERPRINTS["data"],
    message:
        "Dataset {ENTRY.name}"
    shell:
        "seesaw data {params.options} > {log:q} 2>&1"


rule pretrain:
    input:
        manifest=str(ENTRY.manifest),
    output:
        str(SCALE.pretrained("{backbone}")),
    log:
        f"{LOGS}/pretrain/{{backbone}}.log",
    benchmark:
        f"{BENCHMARKS}/pretrain/{{backbone}}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **slurm.job(SITE, mem_mb=3000, runtime="1h"),
    params:
        options=OPTIONS,
        fingerprint=lambda w: FINGERPRINTS[f"pretrain/{w.backbone}"],
    message:
        "Pre-train {wildcards.backbone}"
    shell:
        "seesaw pretrain {wildcards.backbone} {params.options} --threads {threads} > {log:q} 2>&1"
