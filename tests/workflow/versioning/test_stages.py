"""dvc.yaml says what the experiment table says, at both scales; no job calls DVC."""

import configparser
import re
import shutil
from pathlib import Path

import pytest
import small_folder
import yaml
from clones import run
from repository import REPOSITORY

from seesaw.cli.main import main
from seesaw.spec.experiments import config_files
from seesaw.spec.scales import Scale
from seesaw.workflow.dvc import CODE, SHARED, SHOWN, Stages

COMMITTED = {"mini": "dvc.yaml", "paper": "paper/dvc.yaml"}


@pytest.fixture(scope="module", params=sorted(COMMITTED))
def made(request):
    return Stages(Scale(request.param))


def test_the_committed_file_is_what_the_table_gives(made):
    file = COMMITTED[made.scale.name]
    assert made.file == Path(file)
    fix = f"run `seesaw dvc --scale {made.scale.name}`"
    assert (REPOSITORY / file).read_text() == made.text(), fix


def test_the_named_stages_are_there(made):
    shared = {"data", "pretrained", "claims"} if made.scale.name == "mini" else {"data"}
    assert set(made.all) == shared | {"table_a1", "table_a2", "figures", "submission", "report"}


def test_each_output_that_a_stage_makes_belongs_to_one_stage(made):
    versioned = {name: [Path(path) for path in made.outputs(name)] for name in made.all}
    jobs = {job.id: job for stage in made.all.values() for job in stage.jobs}
    assert jobs.keys() >= made.graph.select("all").keys()
    for job in jobs.values():
        for path in job.outputs:
            owners = [
                (name, out)
                for name, outs in versioned.items()
                for out in outs
                if path == out or out in path.parents
            ]
            assert len(owners) == 1, (path, owners)


def test_a_stage_depends_on_every_config_code_and_row_that_its_jobs_use(made):
    content = yaml.safe_load(made.text())["stages"]
    for name, stage in made.all.items():
        deps = {Path(path) for path in content[name]["deps"]}
        assert {Path(path) for path in CODE} <= deps
        keys = {k for p in content[name]["params"] for v in p.values() for k in v or ()}
        for job in stage.jobs:
            if job.rule in SHOWN and (place := job.id.partition("/")[2]) in made.table.places:
                assert f"places.{place}" in keys, name
            if job.rule == "train":
                assert f"trainings.{job.training}" in keys
                used = made.table.trainings[job.training].config
            elif job.rule == "detect":
                used = made.table.evaluations[job.experiment].config_path
            else:
                continue
            assert all(file.parent in deps for file in config_files(used)), (name, used)


def test_a_stage_depends_on_the_settings_of_the_scale_that_its_scale_is_like():
    for stage in yaml.safe_load(Stages(Scale("demo")).text())["stages"].values():
        files = [path for given in stage["params"] for path in given]
        assert files[:2] == ["configs/scales/demo.yaml", "configs/scales/mini.yaml"]


def test_ones_own_data_are_made_again_after_an_edit_of_their_annotations(tmp_path):
    """The other stages depend on what this one makes of them."""
    content = yaml.safe_load(Stages(Scale("mini", str(small_folder.make(tmp_path / "d")))).text())
    assert {f"{tmp_path}/d/annotations/{split}.json" for split in small_folder.SPLITS} < {
        *content["stages"]["data"]["deps"]
    }


def test_measured_gpus_concern_the_table_that_shows_them(made):
    content = yaml.safe_load(made.text())["stages"]
    read = {name for name, stage in content.items() if "configs/costs" in stage["deps"]}
    assert read == ({"table_a2", "report"} if made.scale.name == "paper" else set())


def test_what_a_config_inherits_is_followed_through_all_bases():
    found = {file.as_posix() for file in config_files(Path("configs/table_a2/b03_htc_lite.py"))}
    assert {
        "configs/table_a2/b01_cascade_mask_rcnn.py",
        "configs/_base_/htc_lite.py",
        "configs/_base_/cascade_mask_rcnn.py",
    } <= found
    assert all(Path(file).is_file() for file in found)


def test_the_paper_scale_runs_on_the_cluster_and_never_clears_its_lock():
    content = yaml.safe_load((REPOSITORY / "paper/dvc.yaml").read_text())["stages"]
    for name, stage in content.items():
        call, record = stage["cmd"]
        assert call.startswith("snakemake --profile slurm ") and stage["wdir"] == ".."
        assert record == f"seesaw record {name} --scale paper"
    assert content["table_a1"]["cmd"][0] == "snakemake --profile slurm table_a1"
    mini = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    assert mini["table_a1"]["cmd"] == [
        "seesaw unlock",
        "snakemake --profile local table_a1",
        "seesaw record table_a1 --scale mini",
    ]


def test_outputs_are_kept_when_a_stage_runs_again(made):
    for stage in yaml.safe_load(made.text())["stages"].values():
        assert all(out == {path: {"persist": True}} for out in stage["outs"] for path in out)


def test_a_dry_run_needs_no_data(made, tmp_path):
    """DVC alone ends at a dependency that does not exist yet, as data in a new clone."""
    for name in (*CODE, "configs", "paper_figures", ".dvc/config", *COMMITTED.values()):
        source, target = REPOSITORY / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    run(tmp_path, "dvc", "config", "core.no_scm", "true")
    output = run(tmp_path, "dvc", "repro", "--dry", made.file.as_posix())
    stages = re.findall(r"> seesaw record (\w+)", output)
    shared = [name for name in SHARED if name in made.all]
    assert stages[: len(shared)] == shared and sorted(stages) == sorted(made.all)
    assert not any((tmp_path / name).exists() for name in ("data", "results"))


def test_no_rule_calls_dvc():
    files = [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "workflow").rglob("*.smk"))]
    called = [file for file in files if re.search(r"\bdvc\b", file.read_text())]
    assert called == []


def test_no_module_that_a_job_runs_calls_dvc():
    """`seesaw doctor` asks for the remote; no rule calls it."""
    sources = sorted((REPOSITORY / "src/seesaw").rglob("*.py"))
    sources = [file for file in sources if file.parent.name != "checks"]
    wanted = re.compile(r"""^\s*(import|from) dvc\b|["']dvc["']""", re.MULTILINE)
    assert [file for file in sources if wanted.search(file.read_text())] == []


def test_dvc_copies_and_reports_nothing_home():
    parser = configparser.ConfigParser()
    parser.read(REPOSITORY / ".dvc/config")
    assert parser["core"].getboolean("analytics") is False
    assert parser["cache"]["type"] == "copy"


def test_the_metrics_of_a_removed_row_leave_their_stage(scale):
    old = Stages(scale).folder("table_a1") / "metrics/of_a_renamed_row.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    assert main(["record", "table_a1", "--scale", "smoke"]) == 0
    assert {path.stem for path in old.parent.iterdir()} == {"a01_mask_rcnn", "a02_syncbn"}
