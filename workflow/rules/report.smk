rule report:
    input:
        # The page also reads the files from which these were made.
        tables=[table_files(place) for place in PLACES],
        figures=[figures.target(name, SCALE) for name in figures.FIGURES],
        submissions=submissions(),
    output:
        report(
            str(SCALE.report()),
            caption="../report/page.rst",
            category="Report",
            labels={"page": "everything"},
        ),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.tsv"
    conda:
        "../../environment.yml"
    resources:
        **slurm.job(SITE, mem_mb=8000, runtime="1h"),
    params:
        options=OPTIONS,
        fingerprint=FINGERPRINTS["report"],
    message:
        "Write the report"
    shell:
        "seesaw report {params.options} > {log:q} 2>&1"
