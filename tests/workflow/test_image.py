"""`--sdm apptainer`: each job's command runs in the image of tools/seesaw.def.

Apptainer is not installable here, so a script with its command line takes its place.
"""

import os

import pytest
from facts import lacks
from repository import snakemake

pytestmark = pytest.mark.slow

APPTAINER = """\
#!/bin/bash
if [ "$1" = --version ]; then echo apptainer version 1.4.0; exit; fi
echo "$@" >> calls
exec "${@: -3}"
"""


def test_jobs_run_in_the_image(clone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    (folder / "apptainer").write_text(APPTAINER)
    (folder / "apptainer").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    words = ["data/smoke_lvis/manifest.json", "--cores", "1", "--config", "scale=smoke"]
    snakemake(clone, *words, "--sdm", "apptainer", PATH=path)
    (call,) = (clone / "calls").read_text().splitlines()
    assert " seesaw.sif bash -c " in call and "seesaw data" in call
    assert (clone / "data/smoke_lvis/manifest.json").is_file()


def test_a_training_in_the_image_does_not_ask_for_slurms_commands(clone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    for name in ("apptainer", "squeue"):
        (folder / name).write_text(APPTAINER)
        (folder / name).chmod(0o755)
    weights = "results/smoke/a01_mask_rcnn/seed0/model.pth"
    words = [weights, "-n", "-p", "--cores", "1", "--config", "scale=smoke"]
    job = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    assert "slurm.segments" in snakemake(clone, *words, **job)
    assert "slurm.segments" not in snakemake(clone, *words, "--sdm", "apptainer", **job)


def test_a_training_on_several_nodes_is_refused_in_the_image(clone):
    (clone / "site.yaml").write_text("gpus: {smoke: 4}\ngpus_per_node: 2\n")
    words = ["-n", "--cores", "1", "--config", "scale=smoke", "--", "table_a1"]
    said = snakemake(clone, "--sdm", "apptainer", *words, code=1)
    assert not lacks(said, "site.yaml", "4 GPUs", "--sdm apptainer")
