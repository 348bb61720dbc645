rule submit:
    input:
        manifest=str(ENTRY.manifest),
        detections=f"{EVALUATED}/detections.jsonl",
    output:
        # The receipt is not declared, because Snakemake would delete the server's score with it.
        f"{EVALUATED}/submission.zip",
    log:
        f"{LOGS}/submit/{{training}}/seed{{seed}}/{{evaluation}}.log",
    benchmark:
        f"{BENCHMARKS}/submit/{{training}}_seed{{seed}}_{{evaluation}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        **slurm.job(SITE, mem_mb=2000, runtime="1h"),
    params:
        options=OPTIONS,
        split=lambda w: EXPERIMENTS.evaluations[w.evaluation].split,
        fingerprint=FINGERPRINTS["code/seesaw.evaluation.submission.package"],
    message:
        "Package {wildcards.evaluation}, seed {wildcards.seed}"
    shell:
        "seesaw submit {wildcards.evaluation} --seed {wildcards.seed} --split {params.split}"
        " {params.options} > {log:q} 2>&1"


rule submission:
    input:
        submissions(),
