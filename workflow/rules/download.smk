# Compute nodes have no internet: a local rule.
localrules:
    download,


rule download:
    output:
        # Written last; what is downloaded is undeclared: Snakemake would delete it.
        "data/downloads/{download}.json",
    log:
        f"{LOGS}/download/{{download}}.log",
    benchmark:
        f"{BENCHMARKS}/download/{{download}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime="24h",
    params:
        options=OPTIONS,
    message:
        "Download {wildcards.download}; progress in {log}"
    shell:
        "seesaw download {wildcards.download} {params.options} > {log} 2>&1"
