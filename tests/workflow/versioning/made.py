"""A finished smoke run without computing: true formats and records, made-up numbers."""

import json
from pathlib import Path

import numpy as np

from seesaw.core.files import sha256_file
from seesaw.core.provenance import record
from seesaw.evaluation import replicates
from seesaw.spec.metrics import MASK
from seesaw.spec.scales import Scale
from seesaw.workflow import dependencies, jobs
from seesaw.workflow.jobs import Job, snakemake_record

ANNOTATIONS = "0" * 64


def know(path: Path, inputs=(), params=("'f1'",), **more) -> None:
    """Write the record that Snakemake keeps of a file."""
    checksums = {str(name): f"sha256:{sha256_file(Path(name))}" for name in inputs}
    content = {
        "rule": "r",
        "input": sorted(map(str, inputs)),
        "params": list(params),
        "input_checksums": checksums,
        "record_format_version": 6,
        "shellcmd": "x",
        "log": ["l"],
        "job_hash": 5,
        "starttime": 1.5,
        "endtime": path.stat().st_mtime,
        "external_jobid": "77",
        "incomplete": False,
    }
    target = snakemake_record("metadata", path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content | more))


def metrics(ap: float) -> dict:
    """The content of a metrics.json: the given mask AP (a fraction), the others in step."""
    segm = {"AP": ap, "AP_r": ap / 2, "AP_c": ap, "AP_f": 2 * ap}
    return {"segm": segm, "bbox": {**segm, "AP": ap + 0.01}, "images": 12}


def evaluated(job: Job, ap: float) -> None:
    """Write what an evaluation makes."""
    content, drawn = metrics(ap), {}
    for kind, numbers in (("segm", metrics(ap)["segm"]), ("bbox", metrics(ap)["bbox"])):
        noise = 0.01 * np.random.default_rng(0).standard_normal((20, 1))
        drawn[kind] = np.array([[numbers[c] for c in MASK]]) + noise
    job.outputs[0].write_text(json.dumps(content, indent=1) + "\n")
    job.outputs[1].write_bytes(b"matches")
    replicates.save(job.outputs[2], content, drawn, ANNOTATIONS)


def finish(scale: Scale) -> dict[str, Job]:
    """Make all that the tables of a scale need; the n-th evaluation has AP n %."""
    known = dependencies.cached(scale)
    every = jobs.workflow(scale).paper
    made = {i: job for i, job in every.items() if job.rule in KINDS}
    for n, job in enumerate(made.values()):
        inputs = {str(p): p for need in job.needs for p in every[need].outputs[:1]}
        for path in job.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{path}".encode())
        if job.rule == "evaluate":
            evaluated(job, ap=n / 100)
        elif job.rule == "table":
            continue  # by the caller, from what is there
        fingerprint = known[job.key]
        facts = {"fingerprint": fingerprint} if job.rule == "train" else {}
        record(*job.outputs, inputs=inputs, **facts)
        for path in job.outputs:
            know(path, inputs.values(), [repr(fingerprint)])
    return made


KINDS = ("data", "pretrain", "train", "detect", "evaluate", "table")
