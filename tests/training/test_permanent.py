"""A failure that every retry would repeat ends the later attempts at once."""

import shlex
import subprocess

import pytest
from facts import lacks
from toy_training import attempt

from seesaw.core import provenance
from seesaw.core import records as pv
from seesaw.errors import PermanentError, UserError


def fail(model, error):
    made = provenance.Provenance(model, root=model.parent, fingerprint="f")
    with pytest.raises(type(error)), made:
        raise error


def test_only_a_permanent_failure_of_the_same_fingerprint_counts(tmp_path):
    model = tmp_path / "the model.pth"
    provenance.refuse_known_failure(model, "f")
    fail(model, UserError("full."))
    provenance.refuse_known_failure(model, "f")
    fail(model, PermanentError("diverged."))
    provenance.refuse_known_failure(model, "g")
    with pytest.raises(PermanentError, match=r"^diverged\. .* rm ") as error:
        provenance.refuse_known_failure(model, "f")
    # the command that it names forgets it
    command = shlex.split(str(error.value)[str(error.value).rindex("rm ") :])
    assert command == ["rm", str(pv.failure_path(model))]
    subprocess.run(command, check=True)
    provenance.refuse_known_failure(model, "f")


def test_a_rank_that_loses_contact_does_not_hide_why(tmp_path):
    model = tmp_path / "model.pth"
    with (
        pytest.raises(RuntimeError),
        provenance.Provenance(model, root=tmp_path, fingerprint="f", attempt=2),
    ):
        provenance.write_failure(model, PermanentError("diverged."), fingerprint="f")
        raise RuntimeError("connection closed by peer")
    record = pv.read_record(pv.failure_path(model))
    assert (record["type"], record["error"]) == ("PermanentError", "diverged.")


def test_a_diverged_loss_is_permanent(tmp_path):
    assert attempt(tmp_path, lr=1e30) == 2
    said = (tmp_path / "log.0").read_text().splitlines()[-1]
    assert not lacks(said, "PermanentError: ", "optimizer.lr", "optim_wrapper.clip_grad")
    assert not (tmp_path / "model.pth").exists()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    # mmdet looks at the loss of every tenth iteration; here are two, and the last one diverges
    assert attempt(tmp_path, lr=1e30, batch=24) == 2
    said = (tmp_path / "log.0").read_text().splitlines()[-1]
    assert not lacks(said, "PermanentError: ", "optimizer.lr", "optim_wrapper.clip_grad")
    assert not [*tmp_path.rglob("*.pth")]
