# A separate target, because it uses seeds that no other target trains.
rule claims:
    input:
        metrics=lambda w: claim_files("metrics"),
        replicates=lambda w: claim_files("replicates"),
        models=lambda w: claim_files("gradients"),
        counts=lambda w: claim_files("counts"),
        speed=lambda w: claim_files("speed"),
        claims="configs/claims.yaml",
        paper="configs/paper_values.yaml",
    output:
        [str(path) for path in claims.outputs(SCALE).values()],
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{BENCHMARKS}/claims.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime="10m",
    params:
        options=OPTIONS,
        fingerprint=lambda w: FINGERPRINTS["claims"],
    message:
        "Test the paper's claims"
    shell:
        "seesaw claims {params.options} > {log:q} 2>&1"
