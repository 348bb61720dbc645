"""A small table, of which the tests compare every format."""

from seesaw.evaluation.uncertainty import Estimate
from seesaw.results.tables.tables import Row, Table

BASE = {"AP": 18.7, "AP_r": 1.0, "AP_box": 20.1}
SYNCBN = {"AP": 18.9, "AP_r": 0.7, "AP_box": 20.2, "increments": {"AP": 0.2, "AP_box": 0.1}}
CARAFE = {"AP": 19.4, "AP_r": 0.7, "AP_box": 20.4, "increments": {"AP": 0.5, "AP_box": 0.2}}


def error(se, value=0.0, seeds=1, spread=None):
    return Estimate(value, se, se, 1.96 * se, seeds, spread)


def small(scale="mini", **kwargs):
    """Base, a rung with one agreeing and one opposed step, and a rung that failed."""
    rows = [
        Row(
            "a01",
            "Mask R-CNN",
            "2x",
            "done",
            {"AP": 10.04, "AP_r": None, "AP_box": 12.5},
            BASE,
            errors={"AP": error(0.7), "AP_box": error(0.8)},
            evidence={0: "a01/seed0/a01/metrics.json.provenance.json"},
        ),
        Row(
            "a02",
            "+ SyncBN",
            "2x",
            "done",
            {"AP": 10.16, "AP_r": 1.25, "AP_box": 12},
            SYNCBN,
            errors={"AP": error(0.7), "AP_r": error(0.4), "AP_box": error(0.25)},
            steps={"AP": error(0.5, 0.12), "AP_box": error(0.25, -4.5)},
            remarks=["accepted: a cell of another fingerprint"],
            evidence={k: f"a02/seed{k}/a02/metrics.json.provenance.json" for k in (0, 3)},
        ),
        Row("a03", "+ A_b & <c>", "45e", "failed", None, CARAFE, note="100% of memory"),
    ]
    columns = ["schedule", "AP", "AP_r", "AP_box"]
    return Table(
        "table_a1",
        "Steps",
        scale,
        columns,
        rows,
        "Step",
        ["AP", "AP_box"],
        "not submitted",
        **kwargs,
    )
