"""What the reference keeps of a run log: the same curves from fewer numbers and no times."""

import json

import numpy as np
import pytest

from seesaw.errors import UserError
from seesaw.results.report import losses
from seesaw.results.report.curves import KINDS, binned, kind


def log(lines):
    terms = {"s0.loss_cls": 0.5, "s1.loss_cls": 0.25, "loss_rpn_bbox": 0.125, "s0.acc": 50.0}
    measured = {"at": 1.5, "time": 0.1, "memory": 100.0}
    steps = range(1, lines + 1)
    return [{"iter": 20 * i, "lr": 0.25, "loss": 64.0 / i, **terms, **measured} for i in steps]


def kept(tmp_path, steps):
    path = tmp_path / "losses.json"
    path.write_text(losses.thinned(steps))
    return losses.read(path)


@pytest.mark.parametrize("lines", [1, 20, losses.LINES])
def test_the_curves_stay_as_they_are(tmp_path, lines):
    steps = log(lines)
    found = kept(tmp_path, steps)
    assert [step["iter"] for step in found] == [step["iter"] for step in steps]
    assert found[-1].keys() == {"iter", "lr", "loss", "loss_cls", "loss_rpn"}
    for one, other in zip(binned(found)[::2], binned(steps)[::2], strict=True):
        assert np.array_equal(one, other)
    sums, before = binned(found)[1], binned(steps)[1]
    assert sums.keys() == before.keys()
    for name, values in before.items():
        assert sums[name] == pytest.approx(values, rel=1e-4)


def test_a_long_log_is_averaged_up_to_its_last_iteration(tmp_path):
    steps = log(10 * losses.LINES + 1)
    found = kept(tmp_path, steps)
    assert len(found) == losses.LINES and found[-1]["iter"] == steps[-1]["iter"]
    assert found[0]["loss"] == pytest.approx(np.mean([s["loss"] for s in steps[:11]]), rel=1e-4)


def test_a_loss_that_is_not_finite_stays_unknown(tmp_path):
    steps = log(3)
    steps[1]["loss"] = None
    assert [step["loss"] for step in kept(tmp_path, steps)] == [64.0, None, 21.333]


def test_the_sums_are_named_as_a_run_log_would():
    assert {name: kind(losses.term(name)) for name in KINDS} == {name: name for name in KINDS}


def test_columns_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "losses.json"
    content = json.loads(losses.thinned(log(3)))
    for damage in ({"lr": [0.1]}, {"iter": []}, {"losses": {"loss": [1.0, 2.0, "x"]}}):
        path.write_text(json.dumps(content | damage))
        with pytest.raises(UserError, match=r"losses\.json is damaged"):
            losses.read(path)
