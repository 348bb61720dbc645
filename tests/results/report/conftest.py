"""Two rungs with weights, run logs, records and evaluations, and one figure; all by hand."""

import json
import shutil

import pytest
from two_evaluations import A, B, make

from seesaw.core.provenance import record
from seesaw.core.records import provenance_path
from seesaw.spec import figures
from seesaw.spec.scales import Scale

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 20"><text y="9">drawn</text></svg>'


def step(iteration, lr, loss):
    terms = {"loss_rpn_cls": 0.25, "s0.loss_cls": loss / 2, "s1.loss_cls": loss / 4}
    measured = {"s0.acc": 50.0, "memory": 100.0 + iteration}
    return {"iter": iteration, "at": 1.5, "lr": lr, "loss": loss, **terms, **measured}


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        make(root, patch)
        scale = Scale("mini")
        for name in (A, B):
            weights = scale.model(name, 0)
            weights.write_bytes(b"weights")
            cost = {"iterations": 400, "seconds_per_iteration": 0.45}
            record(weights, fingerprint="f0", seed=0, **cost)
            lines = [{"run": {}}, *(step(20 * i, 0.01 / i, 4.0 / i) for i in range(1, 21))]
            lines.append({"evaluation": name, "iter": 400, "at": 2.5, "AP": 1.0})
            weights.with_name("log.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
        for kind, path in figures.outputs("figure_a3", scale).items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(SVG if kind == "svg" else "")
    return root


@pytest.fixture
def scale(finished, tmp_path, monkeypatch):
    """Mini, in a copy of those results."""
    shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return Scale("mini")


@pytest.fixture
def weights_record(scale):
    """The record of A's weights."""
    return provenance_path(scale.model(A, 0))
