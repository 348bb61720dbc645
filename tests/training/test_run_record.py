"""What is recorded of weights that a later process only wrote again."""

import platform

from seesaw.core.provenance import Provenance, record
from seesaw.core.records import record_of
from seesaw.training import run_log, runs

TRAINED = {"host": "n1", "versions": {"torch": "1"}, "seconds_per_iteration": 2.0}


def test_weights_written_again_keep_the_record_of_their_training(tmp_path):
    model, log, data = (tmp_path / name for name in ("model.pth", "log.jsonl", "manifest.json"))
    model.touch()
    data.write_text("old")
    run_log.begin(log, {"versions": {"torch": "0"}}, 0)
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
    assert written_again("g")["versions"] == {"torch": "0"}
