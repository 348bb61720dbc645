rule figure:
    input:
        lambda w: figures.needed(w.figure, SCALE),
    output:
        expand(
            f"{RESULTS}/figures/{{{{figure}}}}.{{kind}}",
            kind=["ipynb", "pdf", "png", "csv"],
        ),
        report(
            f"{RESULTS}/figures/{{figure}}.svg",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        f"{LOGS}/figure/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure/{{figure}}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        options=OPTIONS,
        fingerprint=lambda w: FINGERPRINTS[f"figure/{w.figure}"],
        cells=lambda w: [cell.model_dump() for cell in EXPERIMENTS.place_cells(w.figure)],
    message:
        "Draw {wildcards.figure}"
    shell:
        "seesaw figure {wildcards.figure} {params.options} > {log:q} 2>&1"
