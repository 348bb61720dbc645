rule table:
    input:
        metrics=lambda w: place_files(w.place, SCALE.metrics),
        replicates=lambda w: place_files(w.place, SCALE.replicates),
        speed=lambda w: [str(SCALE.speed)] if shows_speeds(w.place) else [],
        gpus=lambda w: gpu_measurements() if shows_speeds(w.place) else [],
        paper="configs/paper_values.yaml",
    output:
        expand(
            f"{SCALE.tables}/{{{{place}}}}.{{kind}}",
            kind=["txt", "md", "tex", "csv", "json"],
        ),
        report(
            f"{SCALE.tables}/{{place}}.html",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{place}"},
        ),
    log:
        f"{LOGS}/table/{{place}}.log",
    benchmark:
        f"{BENCHMARKS}/table/{{place}}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime="10m",
    params:
        options=OPTIONS,
        fingerprint=FINGERPRINTS["table"],
        place=lambda w: [EXPERIMENTS.places[w.place].model_dump()],  # title, heading, columns
        cells=lambda w: [cell.model_dump() for cell in EXPERIMENTS.place_cells(w.place)],
    message:
        "Write {wildcards.place}"
    shell:
        "seesaw table {wildcards.place} {params.options} > {log:q} 2>&1"
