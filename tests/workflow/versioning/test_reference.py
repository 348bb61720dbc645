"""Reference results: frozen all or nothing, rebuilt byte for byte, compared, never overwritten."""

import json
import os
import shutil
from pathlib import Path

import pytest
from facts import lacks
from frozen import PLACE, refused
from made import know
from repository import content, replace

from seesaw.cli.main import main
from seesaw.core import paths
from seesaw.core.records import failure_path, record_of
from seesaw.errors import UserError
from seesaw.results.report import losses
from seesaw.spec.scales import Scale
from seesaw.workflow import reference
from seesaw.workflow.evidence.chain import Evidence
from seesaw.workflow.evidence.verify import verify


def test_frozen_are_the_small_files_and_their_records_without_time_or_host(scale):
    assert reference.freeze(scale) == Path("reference/smoke")
    files = content(scale.reference)
    names = {path.name for path in files}
    assert {"metrics.json", "replicates.json", "table_a1.tex", "workflow.json"} <= names
    assert {"model.pth.provenance.json", "detections.jsonl.provenance.json"} <= names
    assert names.isdisjoint({"model.pth", "detections.jsonl", "matches.npz", "submission.zip"})
    for path, text in files.items():
        if path.name.endswith("provenance.json") or path.name == "workflow.json":
            for word in (b'"host"', b'"start"', b'"duration"', b"time", b"jobid", b'"device"'):
                assert word not in text, (path, word)
    table = scale.tables / "table_a1.md"
    assert files[Path("tables/table_a1.md")] == table.read_bytes()
    shown = json.loads(files[Path("summary/a02_syncbn.json")])
    (run,) = [json.loads(files[p]) for p in files if p.match("a02_syncbn/metrics.json")]
    assert shown["AP_f"] == pytest.approx(100 * run["segm"]["AP_f"])


def test_a_freeze_that_was_killed_leaves_the_reference_and_no_folder(scale):
    first = content(reference.freeze(scale))
    place = scale.reference
    place.with_name(f".smoke.{'0' * 32}").mkdir()  # killed while it copied
    old = place.rename(place.with_name(f".smoke.{'1' * 32}.old"))  # killed between two renames
    other = place.with_name(f".smoke.mine.{'0' * 32}")  # of another scale
    other.mkdir()
    with pytest.raises(UserError, match="stop"), reference._renewed(place):
        assert content(place) == first and not old.exists()
        raise UserError("stop")
    assert sorted(path.name for path in place.parent.iterdir()) == [other.name, "smoke"]


def test_of_a_run_log_the_losses_are_kept(scale, finished):
    """Their record is that of the weights, so a change of either is found."""
    model = finished[1]["train/a02_syncbn/seed0"].outputs[0]
    step = {"iter": 20, "at": 1.5, "lr": 0.1, "time": 0.2, "loss": 2.0, "loss_mask": 0.5}
    model.with_name("log.jsonl").write_text(json.dumps(step) + "\n")
    first = content(reference.freeze(scale))
    kept = losses.path(scale.frozen().model("a02_syncbn", 0))
    assert losses.read(kept) == [{"iter": 20, "lr": 0.1, "loss": 2.0, "loss_mask": 0.5}]
    assert [path.name for path in first].count(kept.name) == 1  # the other training has no log
    record, weights = record_of(kept), record_of(kept.with_name("model.pth"))
    assert record["artefact"]["path"] == kept.as_posix()
    own = {"artefact": None, "command": ["seesaw", "freeze", scale.name]}
    assert {**record, **own} == {**weights, **own} and record["command"] == own["command"]
    assert weights["fingerprint"]
    assert verify(Evidence(scale.frozen()))[0] == []
    for path in Path("results").rglob("*"):
        os.utime(path)
    assert content(reference.freeze(scale)) == first
    assert [p.name for p in Path("reference").iterdir()] == ["smoke"]
    kept.write_text("{}")
    (fault,) = verify(Evidence(scale.frozen()))[0]
    assert fault.path == kept and fault.what.startswith("corrupt: sha256")
    assert fault.repair == "seesaw freeze smoke"  # git does not have it yet


def test_tables_are_rebuilt_from_the_committed_metrics_alone(scale, capsys, printed):
    reference.freeze(scale)
    for folder in ("results", "data", ".snakemake"):
        shutil.rmtree(folder)
    assert reference.rebuilt(scale) == {PLACE: []}
    output = printed("reference", "--scale", "smoke")
    assert "reference/smoke/tables/table_a1: rebuilt" in output
    assert "table_a1: nothing computed" in output
    assert not Path("results").exists()
    main(["show", PLACE, "--reference", "--scale", "smoke"])
    assert "Mask R-CNN" in capsys.readouterr().out
    assert not Path("results").exists()


def test_a_table_that_its_metrics_do_not_give_is_reported(scale, printed):
    reference.freeze(scale)
    path = scale.reference / "tables/table_a1.md"
    path.write_bytes(path.read_bytes().replace(b"Mask", b"Musk"))
    assert "table_a1.md" in printed("reference", "--scale", "smoke", code=1)


def test_a_table_that_was_removed_from_the_experiments_is_named(scale, printed):
    reference.freeze(scale)
    replace(paths.EXPERIMENTS, PLACE, "table_b1")
    said = printed("reference", "--scale", "smoke", code=2)
    assert not lacks(said, "reference/smoke/tables/table_a1.csv", "`seesaw freeze smoke`")


def test_counts_that_were_edited_are_found(scale):
    """Figure A1 takes the categories' groups from them where there is no data."""
    reference.freeze(scale)
    counts = scale.reference / scale.entry.category_counts.name
    assert verify(Evidence(scale.frozen()))[0] == []
    counts.write_text("{}")
    (fault,) = verify(Evidence(scale.frozen()))[0]
    assert fault.path == counts and fault.what.startswith("corrupt: sha256")


def test_the_numbers_of_a_removed_row_are_found(scale):
    left = reference.freeze(scale) / "summary/a00_removed.json"
    left.write_text("{}")
    (fault,) = verify(Evidence(scale.frozen()))[0]
    assert (fault.path, fault.repair) == (left, "seesaw freeze smoke")


def test_a_failure_is_not_frozen(scale, finished):
    reference.freeze(scale)
    model = finished[1]["train/a01_mask_rcnn/seed0"].outputs[0]
    failure_path(model).write_text("{}")
    refused(scale, r"model\.pth\.failed\.json")


def test_what_is_not_up_to_date_is_not_frozen(scale, finished):
    path = finished[1]["evaluate/a01_mask_rcnn/seed0/a01_mask_rcnn"].outputs[0]
    know(path, params=["'older'"])
    refused(scale, "evaluate/a01_mask_rcnn/seed0/a01_mask_rcnn")


def test_weights_that_are_missing_are_named(scale, finished):
    """Snakemake does not miss them while the metrics are there."""
    model = finished[1]["train/a01_mask_rcnn/seed0"].outputs[0]
    model.unlink()
    refused(scale, f"train/a01_mask_rcnn/seed0 .*{model}")


def test_a_table_that_was_edited_is_not_frozen(scale):
    path = scale.tables / "table_a1.csv"
    path.write_text(path.read_text() + "\n")
    refused(scale, r"results/smoke/tables/table_a1\.csv")


def test_a_damaged_file_is_not_frozen(scale, finished):
    path = finished[1]["evaluate/a02_syncbn/seed0/a02_syncbn"].outputs[2]
    known = path.stat()
    path.write_bytes(path.read_bytes().replace(b"2", b"3"))
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    refused(scale, str(path))


def test_a_reference_stays_small(scale, finished, monkeypatch):
    reference.freeze(scale)
    monkeypatch.setattr(reference, "LARGEST", 3000)
    refused(scale, r"reference/smoke .*\d+ bytes, \d+ .*3000")


def test_nothing_to_freeze_is_reported(clone):
    refused(Scale("smoke"), "results/smoke .*metrics")


def test_no_reference_is_reported(scale):
    with pytest.raises(UserError, match="`seesaw freeze smoke`"):
        reference.rebuilt(scale)
    with pytest.raises(UserError, match="`seesaw freeze smoke --dataset mini_lvis`"):
        reference.rebuilt(Scale("smoke", "mini_lvis"))
