"""Every damaged, missing or outdated file is named, with the command that repairs it."""

import json
import os
import subprocess

import pytest
from facts import lacks
from finished_run import evaluated, flip, write
from repository import REPOSITORY, replace

from seesaw.core import paths
from seesaw.core.files import sha256_file
from seesaw.core.provenance import record
from seesaw.core.records import provenance_path
from seesaw.results.tables.collect import collect
from seesaw.results.tables.recorded import write_recorded
from seesaw.spec.experiments import Cell
from seesaw.workflow.evidence.chain import Evidence
from seesaw.workflow.evidence.verify import verify


def faults(scale):
    return {f.path: (f.what, f.repair) for f in verify(Evidence(scale))[0]}


@pytest.fixture
def tables(scale, run):
    """Table A1 over a01."""
    return write_recorded(collect("table_a1", scale), scale)


def test_a_whole_run_has_no_fault(scale, run, tables, printed):
    files = len(run) + len(tables)
    assert verify(Evidence(scale)) == ([], files)
    assert not lacks(printed("verify"), "results/mini", f"{files} files", "0 faults")


def test_the_committed_results_are_those_of_their_records():
    """`seesaw publish` and `verify` refuse one that was written again without its record."""
    kept = [p for p in (REPOSITORY / "reference").rglob("*") if provenance_path(p).is_file()]
    recorded = {p: json.loads(provenance_path(p).read_text())["artefact"]["sha256"] for p in kept}
    assert len(kept) > 100 and {p: sha256_file(p) for p in kept} == recorded


@pytest.mark.parametrize("name", ["weights", "detections", "metrics", "matches"])
def test_one_changed_byte_is_found_and_only_it_is_named(scale, run, tables, name, printed):
    flip(run[name])
    ((path, (what, repair)),) = faults(scale).items()
    assert path == run[name] and what.startswith("corrupt: sha256 ")
    assert repair == f"rm -f {path} && snakemake --profile local {path}"
    assert f"{path}: corrupt: sha256" in printed("verify", code=1)


def test_a_changed_table_is_found_by_building_it_again(scale, run, tables):
    replace(tables["md"], "20.0", "30.0")
    tables["csv"].unlink()
    found = faults(scale)
    assert found[tables["md"]][0].startswith("corrupt")
    assert found[tables["csv"]][0].startswith("missing")
    provenance_path(tables["md"]).unlink()  # and without a record
    what, repair = faults(scale)[tables["md"]]
    assert what.startswith("differs")
    assert repair == f"rm -f {tables['md']} && snakemake --profile local {tables['md']}"


def test_a_table_that_was_removed_from_the_experiments_is_found(scale, run, tables):
    scale.table.places.pop("table_a1")
    what, repair = faults(scale)[tables["csv"]]
    assert str(scale.table.path) in what and repair == f"rm -f {scale.tables}/table_a1.*"


NEW_RULE = """
rule again:
    output:
        f"{SCALE.tables}/again.csv",
        f"{RESULTS}/again/seed0/again.csv",
    log:
        f"{LOGS}/again.log",
    shell:
        "seesaw again > {log}"
"""


def test_the_files_of_a_new_rule_are_no_removed_rows(scale, run, rules):
    made = [scale.tables / "again.csv", scale.results / "again/seed0/again.csv"]
    for path in made:
        record(write(path, "1"), seed=0)
    assert faults(scale).keys() == {made[0], made[1].parent}
    file = rules / "workflow/rules/tables.smk"
    file.write_text(file.read_text() + NEW_RULE)
    assert faults(scale) == {}


def test_the_files_of_a_removed_seed_are_found(scale, run):
    left = evaluated(scale, "a01_mask_rcnn", seed=9)
    flip(left["weights"])
    found, folder = faults(scale), left["weights"].parent
    assert found.keys() == {folder, left["metrics"].parent}
    assert found[folder][1] == f"rm -rf {folder}"


def test_a_table_of_ones_own_is_built_again(scale, run):
    places = scale.table.places
    places["mine"] = places["table_a1"]
    scale.table.cells.append(Cell(place="mine", evaluation="a01_mask_rcnn", label="a01"))
    made = write_recorded(collect("mine", scale), scale)
    assert faults(scale) == {}
    provenance_path(made["md"]).unlink()
    replace(made["md"], "20.0", "30.0")
    assert faults(scale)[made["md"]][0].startswith("differs")


def test_a_file_made_from_another_version_of_its_input_is_outdated(scale, run):
    record(write(run["weights"], "trained again"), seed=0)
    ((path, (what, _)),) = faults(scale).items()
    assert path == run["detections"] and not lacks(what, "another version", run["weights"])


def test_an_outdated_partial_table_is_deleted_with_its_record(scale, run):
    """No rule makes it again."""
    made = write_recorded(collect("table_a1", scale), scale, scale.tables / "partial")
    record(write(run["metrics"], run["metrics"].read_text() + " "))
    what, repair = faults(scale)[made["csv"]]
    assert not lacks(what, "another version", run["metrics"])
    assert repair == f"rm -f {made['csv']}*"


def test_changed_annotations_outdate_the_metrics(scale, run):
    annotations = write(scale.entry.root / scale.entry.val, "[1]")
    found = faults(scale)
    assert found.keys() == {run["metrics"], run["matches"]}
    assert not lacks(found[run["metrics"]][0], "another version", annotations)


def test_missing_and_unrecorded_files(scale, run):
    run["detections"].unlink()
    provenance_path(run["matches"]).write_text("{")
    provenance_path(run["weights"]).unlink()
    facts = {"detections": "missing", "matches": "its record", "weights": "no record"}
    found = faults(scale)
    assert found.keys() == {run[name] for name in facts}
    assert not [name for name, fact in facts.items() if lacks(found[run[name]][0], fact)]


def test_results_without_data_verify(scale, run, tables):
    for path in (run["manifest"], scale.entry.root / scale.entry.val):
        path.unlink()
    provenance_path(run["manifest"]).unlink()
    assert faults(scale) == {}


def test_a_file_that_git_has_may_have_any_name(scale):
    file = paths.ROOT / "reference" / os.fsdecode(b"caf\xe9")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", file], check=True)
    assert Evidence(scale)._tracked == {file}
