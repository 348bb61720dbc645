"""The files that jobs leave: outputs, records, logs, with ages."""

import json
import os
from pathlib import Path

from seesaw.core.records import provenance_path

NOW = 2_000_000_000.0
# a01's jobs.
A01 = "train/a01_mask_rcnn/seed0"
DETECT, EVALUATE = (f"{rule}/a01_mask_rcnn/seed0/a01_mask_rcnn" for rule in ("detect", "evaluate"))


def write(path, text="x", age=0.0):
    """A file that was last written ``age`` seconds before NOW."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (NOW - age, NOW - age))
    return path


def make(job, digest="d", inputs=None, **facts):
    """A job's outputs and the records beside them."""
    for path in job.outputs:
        write(path)
        artefact = {"path": str(path), "bytes": 1, "sha256": digest}
        record = {"artefact": artefact, "inputs": inputs or {}, **facts}
        write(provenance_path(path), json.dumps(record))
    vars(job).pop("record", None)


def entry(iteration, time=0.5, loss=1.25):
    """A line of a training's run log."""
    return json.dumps({"iter": iteration, "lr": 0.02, "loss": loss, "time": time}) + "\n"


def training_log(work, steps, total=1000, age=10.0, resumed=None):
    """The run log of a training that wrote its last line ``age`` seconds before NOW.

    ``resumed``: the iteration that a second attempt, which has logged nothing yet, goes on from.
    """
    starts = [{"attempt": n + 1, "iter": i} for n, i in enumerate([0, resumed]) if i is not None]
    first, *more = (json.dumps(start | {"iterations": total}) + "\n" for start in starts)
    write(work / "log.jsonl", "".join(['{"run": {}}\n', first, steps, *more]), age)


# What a dataset of paper scale waits for, and the dataset.
DATA = ("download/lvis_v1", "download/pretrained", "data")


def make_data(jobs, **facts):
    """The dataset, as finished."""
    for job in DATA:
        make(jobs[job], **facts)
