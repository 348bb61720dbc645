"""The files that jobs leave: outputs, records, logs, with ages."""

import json
import os
from pathlib import Path

from seesaw.provenance import provenance_path

NOW = 2_000_000_000.0


def write(path, text="x", age=0.0):
    """A file that was last written ``age`` seconds before NOW."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (NOW - age, NOW - age))
    return path


def make(job, digest="d", inputs=None, **facts):
    """A job's outputs and the record beside the first."""
    for path in job.outputs:
        write(path)
    artefact = {"path": str(job.outputs[0]), "bytes": 1, "sha256": digest}
    record = {"artefact": artefact, "inputs": inputs or {}, **facts}
    write(provenance_path(job.outputs[0]), json.dumps(record))
    vars(job).pop("record", None)


def entry(iteration, time=0.5, loss=1.25):
    """A line of a training's scalars.json."""
    return json.dumps({"lr": 0.02, "loss": loss, "time": time, "iter": iteration}) + "\n"


def training_log(work, scalars, total=1000, age=10.0, run="20330518_033000"):
    """The files of a runner that wrote its last line ``age`` seconds before NOW."""
    seen = [json.loads(line)["iter"] for line in scalars.splitlines() if line.endswith("}")]
    text = "".join(f"x - INFO - Iter(train) [{i:>4}/{total}]  lr: 2e-2\n" for i in seen)
    if scalars:
        write(work / run / "vis_data" / "scalars.json", scalars, age)
    write(work / run / f"{run}.log", "System environment:\n" + text, age)


# What a dataset of paper scale waits for, and the dataset.
DATA = ("download/lvis_v1", "download/pretrained", "data")


def make_data(jobs, **facts):
    """The dataset, as finished."""
    for job in DATA:
        make(jobs[job], **facts)
