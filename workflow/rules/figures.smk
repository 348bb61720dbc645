localrules:
    figure,


rule figure:
    input:
        figure_results,
    output:
        expand(
            f"{RESULTS}/figures/{{{{figure}}}}.{{kind}}",
            kind=["ipynb", "pdf", "svg", "png", "csv"],
        ),
    log:
        f"{LOGS}/figure/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/figure/{{figure}}.tsv"
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
        "seesaw figure {wildcards.figure} {params.options} > {log} 2>&1"


rule figure_a1:
    input:
        figure_files("figure_a1"),


rule figure_a2:
    input:
        table_files("figure_a2"),
        figure_files("figure_a2"),


rule figure_a3:
    input:
        figure_files("figure_a3"),


rule gradient_analysis:
    input:
        figure_files("gradient_analysis"),
