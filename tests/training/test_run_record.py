"""What is recorded of weights that more than one process made, or that a later one wrote again."""

import platform

from seesaw.core.provenance import Provenance, record
from seesaw.core.records import record_of, recorded_seconds
from seesaw.training import run_log, runs

TRAINED = {"host": "n1", "versions": {"torch": "1"}, "seconds_per_iteration": 2.0}


def test_weights_written_again_keep_the_record_of_their_training(tmp_path):
    model, log, data = (tmp_path / name for name in ("model.pth", "log.jsonl", "manifest.json"))
    model.touch()
    data.write_text("old")
    run_log.begin(log, {"versions": {"torch": "0"}}, 0)
    with log.open("a") as file:
        for iteration, seconds in ((20, 1.0), (40, 3.0), (45, 7.0)):
            file.write(run_log.dumped(run_log.step(iteration, {"time": seconds})))
    inputs = {"manifest": data}

    def written_again(fingerprint):
        facts = {"root": tmp_path, "inputs": inputs, "fingerprint": fingerprint}
        with Provenance(model, **facts) as provenance:
            provenance.facts["seconds_per_iteration"] = None
            provenance.facts |= runs.trained_before(model, log, provenance)
        return record_of(model)

    record(model, root=tmp_path, inputs=inputs, fingerprint="f", **TRAINED)
    model.write_text("the same weights, in another format")
    made = written_again("f")
    assert TRAINED.items() <= made.items() and made["artefact"]["bytes"] == model.stat().st_size
    assert made["rewritten"]["host"] == platform.node()
    data.write_text("new")  # the record is of other weights than the checkpoint
    other = written_again("f")
    assert other["versions"] == {"torch": "0"} and other["host"] == platform.node()
    # its own process wrote the weights in no time
    assert other["seconds_per_iteration"] == round((20 * 1 + 20 * 3 + 5 * 7) / 45, 4)
    assert recorded_seconds(other | {"iterations": 45}) > 100
    log.unlink()
    assert recorded_seconds(written_again("g") | {"iterations": 45}) is None


def test_a_resumed_training_is_recorded_over_all_attempts(tmp_path):
    log, few = tmp_path / "log.jsonl", "batch statistics differ: SyncBN over 2 of 16 images"
    made = {"iterations": 45, "remarks": [], "seconds_per_iteration": 9.0}
    made["gpu_switches"] = {"precision": "tf32", "fused": False}

    def attempt(iteration, remarks, precision):
        switches = {"precision": precision, "fused": False}
        run_log.begin(log, {}, iteration, remarks=remarks, gpu_switches=switches)

    attempt(0, [few], "bf16")
    assert runs.over_attempts(log, made) == {}
    with log.open("a") as file:
        for iteration in (20, 40):
            file.write(run_log.dumped(run_log.step(iteration, {"time": 1.0})))
    attempt(44, ["lost"], "fp32")  # was killed, and the next one begins at an earlier checkpoint
    attempt(40, [], "tf32")
    with log.open("a") as file:
        file.write(run_log.dumped(run_log.step(45, {"time": 9.0})))
    found = runs.over_attempts(log, made)
    assert found["remarks"] == [few, "iterations 1 to 40: precision bf16"]
    assert found["seconds_per_iteration"] == round((40 * 1 + 5 * 9) / 45, 4)
    log.unlink()
    assert runs.over_attempts(log, made) == {}
