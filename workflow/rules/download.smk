rule download:
    output:
        # Written last. The downloads are not declared, because Snakemake would delete them.
        str(downloads.record_path("{download}")),
    log:
        f"{LOGS}/download/{{download}}.log",
    benchmark:
        f"{BENCHMARKS}/download/{{download}}.tsv"
    # Compute nodes have no internet.
    localrule: True
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
        "seesaw download {wildcards.download} {params.options} > {log:q} 2>&1"
