"""What Snakemake knows of a file travels with it, and is believed only where the bytes match."""

import json
import os
import shutil
from pathlib import Path

import pytest
from made import know

from seesaw.core.records import provenance_path
from seesaw.errors import UserError
from seesaw.spec.scales import Scale
from seesaw.workflow import metadata
from seesaw.workflow.jobs import Job, snakemake_record

MODEL = Path("results/smoke/a/seed0/model.pth")
TABLE = Path("results/smoke/tables/t.txt")
KEPT = Path("results/smoke/stages/t", metadata.NAME)
JOBS = [Job("train/a/seed0", (MODEL,)), Job("table/t", (TABLE,), ("train/a/seed0",))]


def known(path):
    return json.loads(snakemake_record("metadata", path).read_text())


@pytest.fixture
def scale(bare):
    """A finished run of two jobs, whose metadata travels."""
    for path, content in ((MODEL, b"weights"), (TABLE, b"table")):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    know(MODEL)
    know(TABLE, [str(MODEL)])
    metadata.write(JOBS, KEPT)
    return Scale("smoke")


def forget():
    shutil.rmtree(".snakemake")


def test_no_time_no_job_and_the_same_bytes_again(scale):
    first = KEPT.read_bytes()
    for word in (b"time", b"77", b"job_hash", b"shellcmd", b"log"):
        assert word not in first
    know(MODEL, starttime=9.0, external_jobid="78")
    os.utime(TABLE)
    metadata.write(JOBS, KEPT)
    assert KEPT.read_bytes() == first


def test_a_clone_is_told_what_it_pulled(scale):
    forget()
    assert metadata.seed(scale) == 2
    assert known(TABLE)["input"] == [str(MODEL)]
    assert known(TABLE)["params"] == ["'f1'"]
    assert known(TABLE)["record_format_version"] == 6
    assert Path(".snakemake/incomplete").is_dir()  # else Snakemake migrates the other folder
    assert sorted(p.name for p in Path(".snakemake").iterdir()) == ["incomplete", "metadata"]
    assert metadata.seed(scale) == 0


def test_a_long_path_has_its_record_in_folders(scale):
    """Snakemake splits the names of its records after 254 characters."""
    path = Path("results/smoke", "x" * 200, "y" * 200, "model.pth")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    know(path)
    metadata.write([Job("train/x/seed0", (path,))], KEPT)
    forget()
    assert metadata.seed(scale) == 1
    assert known(path)["params"] == ["'f1'"]
    assert sorted(p.name for p in Path(".snakemake").iterdir()) == ["incomplete", "metadata"]


@pytest.mark.parametrize(
    "change", [{"outputs": []}, {"input": None}, {"input": [[]]}, {"input_checksums": "x"}]
)
def test_a_row_of_wrong_types_is_not_believed(scale, change):
    forget()
    first, second = json.loads(KEPT.read_text())
    KEPT.write_text(json.dumps([first | change, second]))
    assert metadata.seed(scale) == 1


def test_a_file_with_other_bytes_is_not_believed(scale):
    forget()
    MODEL.write_bytes(b"weightz")
    assert metadata.seed(scale) == 1
    assert not snakemake_record("metadata", MODEL).exists()
    assert snakemake_record("metadata", TABLE).exists()


def test_a_file_that_is_not_here_is_not_told_of(scale):
    forget()
    TABLE.unlink()
    assert metadata.seed(scale) == 1


def test_a_file_that_is_being_made_is_left_alone(scale):
    forget()
    marker = snakemake_record("incomplete", MODEL)
    marker.parent.mkdir(parents=True)
    marker.write_text("{}")
    assert metadata.seed(scale) == 1
    assert not snakemake_record("metadata", MODEL).exists()


def test_what_snakemake_made_since_is_its_own(scale):
    MODEL.write_bytes(b"new weights")
    know(MODEL, params=["'f2'"])
    assert metadata.seed(scale) == 0
    assert known(MODEL)["params"] == ["'f2'"]


def test_bytes_of_another_commit_bring_their_metadata_back(scale):
    old = MODEL.read_bytes()
    MODEL.write_bytes(b"new weights")
    know(MODEL, params=["'f2'"])
    MODEL.write_bytes(old)  # `git checkout` and `dvc checkout`
    os.utime(MODEL, (1e9, 1e9))
    assert metadata.seed(scale) == 1
    assert known(MODEL)["params"] == ["'f1'"]


def test_bytes_of_another_commit_bring_back_of_which_inputs_they_are(scale):
    first = known(TABLE)["input_checksums"]
    old = {path: path.read_bytes() for path in (MODEL, TABLE)}
    MODEL.write_bytes(b"new weights")
    TABLE.write_bytes(b"new table")
    know(TABLE, [str(MODEL)])  # by the same rule with the same parameters
    for path, content in old.items():
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9))
    assert known(TABLE)["input_checksums"] != first
    metadata.seed(scale)
    assert known(TABLE)["input_checksums"] == first


def test_a_pulled_output_is_not_older_than_its_pulled_input(scale):
    forget()
    os.utime(TABLE, (1e9, 1e9))
    os.utime(MODEL, (1.5e9, 1.5e9))
    metadata.seed(scale)
    assert TABLE.stat().st_mtime == MODEL.stat().st_mtime == known(TABLE)["endtime"] == 1.5e9


def test_an_output_stays_older_than_an_input_that_it_was_not_made_from(scale):
    MODEL.write_bytes(b"new weights")
    know(MODEL)
    metadata.write(JOBS, KEPT)
    forget()
    os.utime(TABLE, (1e9, 1e9))
    metadata.seed(scale)
    assert TABLE.stat().st_mtime == 1e9


def test_the_reference_tells_too(scale):
    KEPT.rename("kept")
    forget()
    assert metadata.seed(scale) == 0
    scale.reference.mkdir(parents=True)
    Path("kept").rename(scale.reference / metadata.NAME)
    assert metadata.seed(scale) == 2


@pytest.mark.parametrize("damage", ["", "{", "[{}]", "null"])
def test_a_half_pulled_record_is_no_reason_to_stop(scale, damage):
    forget()
    KEPT.write_text(damage)
    assert metadata.seed(scale) == 0


def test_what_the_workflow_has_not_made_is_reported(scale):
    snakemake_record("metadata", TABLE).unlink()
    with pytest.raises(UserError, match=rf"--touch --force {TABLE}"):
        metadata.write(JOBS, Path("never.json"))
    TABLE.unlink()
    with pytest.raises(UserError, match=f"{TABLE} is missing"):
        metadata.write(JOBS, Path("never.json"))
    assert not Path("never.json").exists()


def test_metadata_of_an_older_file_than_a_job_has_made_is_forgotten(bare):
    scale = Scale("smoke")
    key = "detect/a01_mask_rcnn"
    path = scale.detections(scale.table.evaluation("a01_mask_rcnn"), 0)
    path.parent.mkdir(parents=True)
    path.touch()
    provenance_path(path).write_text('{"fingerprint": "new"}')
    marker = snakemake_record("incomplete", path)
    marker.parent.mkdir(parents=True)
    marker.touch()
    for noted, now in (("old", "new"), ("new", "new"), ("old", "newer"), ("old", "old")):
        know(path, params=["'options'", repr(noted)])
        assert metadata.forget_older(scale, {key: now}) == []
        marker.unlink(missing_ok=True)
    assert metadata.forget_older(scale, {key: "new"}) == [path]
    assert not snakemake_record("metadata", path).exists() and path.exists()
    assert metadata.forget_older(scale, {key: "new"}) == []
