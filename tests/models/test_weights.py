"""What a checkpoint may contain: tensors, plain data and mmengine's logs, but nothing that runs."""

import os
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch
from facts import refusal
from hostile_pickle import Runs
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from seesaw.errors import UserError
from seesaw.models import weights

STATE = {"a": torch.arange(3.0), "b": torch.zeros(2, 2)}
FIX = "`seesaw train a01`"


@pytest.fixture
def evil(tmp_path):
    """An object whose unpickling creates a file, which must not be there after the test."""
    made = tmp_path / "made"
    yield Runs(os.system, f"touch {made}")
    assert not made.exists()


@pytest.mark.parametrize("new", [True, False])
def test_a_checkpoint_that_runs_code_is_refused(tmp_path, evil, new, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path = tmp_path / "w.pth"
    torch.save({"state_dict": STATE, "meta": evil}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(UserError, match=rf"w\.pth .*posix\.system.*{FIX}\.$"):
        weights.state_dict(path, FIX)
    with pytest.raises(UserError, match=r"posix\.system"):
        CheckpointLoader.load_checkpoint(str(path), map_location="cpu", logger="silent")


@pytest.mark.parametrize(
    "call",
    [
        (eval, "1"),
        (getattr, HistoryBuffer, "__init__"),
        (getattr, torch.nn.Parameter, "__new__"),
        (__import__, "os"),
    ],
)
def test_other_calls_are_refused_too(tmp_path, call):
    torch.save({"state_dict": STATE, "meta": Runs(*call)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=rf"w\.pth .*{FIX}"):
        weights.load(tmp_path / "w.pth", FIX)


def test_files_that_are_no_checkpoint_are_told_in_one_sentence(tmp_path, evil):
    path = tmp_path / "w.pth"
    torch.save(STATE, path)
    whole = path.read_bytes()
    contents = [b"", b"text", whole[:-100], pickle.dumps(evil), pickle.dumps(evil, protocol=2)]
    for content in contents:
        path.write_bytes(content)
        said = refusal(weights.state_dict, path, FIX)
        assert said.startswith(str(path)) and said.endswith(f"; {FIX}.")
        assert "\x1b" not in said and "weights_only`" not in said
    for content in ([1], {}, {"state_dict": {}}, {"state_dict": {"a": 1}}, STATE["a"]):
        torch.save(content, path)
        with pytest.raises(UserError, match=rf"w\.pth .*{FIX}"):
            weights.state_dict(path, FIX)
    with pytest.raises(UserError, match=rf"none\.pth .*missing.*{FIX}"):
        weights.load(tmp_path / "none.pth", FIX)


@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_what_mmengine_writes_beside_weights_is_read(tmp_path, core):
    """numpy 1 called its package ``numpy.core``, and so do the checkpoints written with it."""
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    meta = {"eta": np.float64(1.5), "seed": np.int64(3), "on": np.bool_(True), "classes": ("x",)}
    hub = {"log_scalars": {"loss": history}, "runtime_info": meta, "resumed_keys": {}}
    path = tmp_path / "w.pth"
    torch.save(dict(state_dict=STATE, message_hub=hub, meta={"cfg": "import os"}), path)
    torch.save(STATE, tmp_path / "plain.pth")
    if core == "numpy.core":
        _renamed(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = CheckpointLoader.load_checkpoint(str(path), map_location="cpu", logger="silent")
    assert read["message_hub"]["log_scalars"]["loss"].mean() == 2.0
    assert read["message_hub"]["runtime_info"] == meta
    for name, mmap in (("w", False), ("plain", True)):
        found = weights.state_dict(tmp_path / f"{name}.pth", FIX, mmap=mmap)
        assert found.keys() == STATE.keys()
        assert all(torch.equal(found[k], STATE[k]) for k in STATE)


def _renamed(path):
    """Write a checkpoint again with numpy's old name."""
    with zipfile.ZipFile(path) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    assert any(b"numpy._core" in content for content in files.values())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content.replace(b"numpy._core", b"numpy.core"))


def test_weights_must_fit_tensor_by_tensor(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    whole, path = model.state_dict(), tmp_path / "w.pth"
    for change, first in (
        ({"2.weight": torch.zeros(1)}, "2.weight"),
        ({"0.weight": torch.zeros(2, 3)}, "0.weight"),
    ):
        torch.save({"state_dict": whole | change}, path)
        with pytest.raises(UserError, match=rf"w\.pth .*own\.py: 1 .* {first}\b.*{FIX}"):
            weights.fill(model, path, "own.py", FIX)
    old = {k: v + 1 for k, v in whole.items() if not k.endswith("num_batches_tracked")}
    torch.save({"state_dict": old}, path)
    weights.fill(model, path, "own.py", FIX)
    assert all(torch.equal(v, old[k]) for k, v in model.state_dict().items() if k in old)
