"""What the doctor sees and says."""

import shutil
from pathlib import Path

import pytest
from facts import lacks
from repository import copied
from rich.console import Console

from seesaw.cli.checks import operators, report, software, surroundings
from seesaw.cli.checks.report import Finding
from seesaw.core import paths
from seesaw.spec import downloads
from seesaw.spec.scales import Scale


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone without data, and a PATH of its own for stand-ins of SLURM's commands."""
    monkeypatch.chdir(copied(tmp_path, "configs", "requirements.lock"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def command(name, says="", code=0):
    path = Path("bin") / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)


def test_every_operator_gives_its_number_by_hand():
    assert operators.broken("cpu") == {} and len(operators.operators("cpu")) == 7


def test_an_operator_that_fails_or_lies_is_named(monkeypatch):
    def fails(*_):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(operators.ops, "roi_align", fails)
    monkeypatch.setattr(operators.ops, "nms", lambda *_: ([1, 2], None))
    found = operators.broken("cpu")
    assert found.keys() == {"nms", "roi_align"} and found["roi_align"] == "no kernel"
    assert not lacks(found["nms"], " 2,", " 1")


@pytest.mark.parametrize(("scale", "state"), [("mini", "ok"), ("paper", "missing")])
def test_a_laptop_with_torchs_cuda_build_needs_no_cuda_operators(monkeypatch, scale, state):
    monkeypatch.setattr(software, "_cuda", lambda: "CUDA 13.0")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("mmcv.ops.get_compiling_cuda_version", lambda: "not available")
    assert software.operators(Scale(scale)).state == state


def test_a_clone_is_told_what_the_paper_scale_lacks(clone):
    paper = Scale("paper")
    lost = surroundings.dataset(paper)
    assert lost.state == "missing"
    assert lost.fix == "seesaw download --scale paper && seesaw data --scale paper"
    lost = surroundings.weights(paper)
    assert (lost.state, lost.fix) == ("missing", "seesaw download pretrained")
    assert not lacks(lost.found, *(file.name for file in downloads.load().find("pretrained")))
    assert surroundings.dataset(Scale("mini")).state == "remark"
    assert surroundings.weights(Scale("mini")).state == "not needed"
    assert surroundings.slurm(Scale("mini")).state == "not needed"


def test_slurm(clone):
    paper = Scale("paper")
    assert surroundings.slurm(paper).fix.endswith("--profile local all --config scale=paper")
    assert surroundings.slurm(Scale("single_gpu")).fix.endswith("--profile single_gpu all")
    command("sbatch")
    command("sinfo", "gpu\ncpu")
    command("scontrol", "MinJobAge               = 300 sec")
    found = surroundings.slurm(paper)
    assert found.state == "ok" and not lacks(found.found, "cpu, gpu")
    Path("site.yaml").write_text("partition: a100\n")
    found = surroundings.slurm(paper)
    assert found.state == "missing" and "a100" in found.found
    assert not lacks(found.fix, "cpu, gpu", "site.yaml")
    Path("site.yaml").write_text("partition: gpu\n")
    command("scontrol", "MinJobAge = 60 sec")
    assert not lacks(surroundings.slurm(paper).found, "MinJobAge", "60 s")
    Path("site.yaml").write_text("partition: gpu,cpu\n")  # sbatch takes the first that is free
    assert surroundings.slurm(paper).state == "remark"
    Path("bin/sinfo").write_text('#!/bin/sh\ncase "$*" in *--all*) echo gpu; echo cpu;; esac\n')
    assert surroundings.slurm(paper).state == "remark"  # partitions that the site hides
    command("scontrol", "no controller", code=1)
    assert surroundings.slurm(paper).state == "missing"
    command("sinfo", "no controller", code=1)
    assert surroundings.slurm(paper).state == "missing"


def test_wandbs_mode_is_the_one_that_trainings_take(clone, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert surroundings.wandb().state == "not needed"
    monkeypatch.setenv("WANDB_MODE", "onlin")
    assert report.run({"W&B": surroundings.wandb})["W&B"].state == "missing"


def test_dvc_needs_no_activated_environment_and_is_needed_for_sharing_alone(clone, monkeypatch):
    assert surroundings.dvc().state == "remark"
    Path(".dvc").mkdir()
    config = "[core]\n    analytics = false\n['remote \"store\"']\n    url = s3://bucket/x\n"
    Path(".dvc/config").write_text(config)
    found = surroundings.dvc()
    assert found.state == "ok" and not lacks(found.found, "store", "s3://bucket/x")
    monkeypatch.setattr(surroundings.sys, "executable", "no-python")
    assert surroundings.dvc().state == "remark"


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((7, 0), False), ((7, 5), True), ((8, 6), True), ((9, 0), False), ((12, 1), True)],
)
def test_a_gpu_runs_code_of_its_generation_that_is_no_newer_than_it(capability, runs):
    """V100 (7.0) is of the generation of Turing (7.5), but does not run its code."""
    assert software.runs_on(*capability, ["sm_75", "sm_80", "sm_120", "sm_100a"]) is runs


def test_a_newer_gpu_translates():
    assert software.runs_on(12, 0, ["sm_90", "compute_90"])
    assert not software.runs_on(8, 0, ["sm_90", "compute_90"])


def test_packages_are_those_of_the_lock(clone):
    assert software.lock().state == "ok"
    text = paths.LOCK.read_text()
    paths.LOCK.write_text(text.replace("addict==2.4.0", "addict==9.9") + "no-such-package==1\n")
    found = software.lock()
    assert found.state == "missing"
    assert not lacks(found.found, "2 differ", "addict 2.4.0 for 9.9", "no-such-package")
    assert not lacks(found.fix, ".venv/.lock", "tools/setup.sh")


def test_disk(clone, monkeypatch):
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=8 * 10**10))
    found = surroundings.disk(Scale("paper"))
    assert found.state == "missing" and not lacks(found.found, "80 GB free", "needed")
    assert surroundings.disk(Scale("mini")).state == "ok"


def test_a_check_that_breaks_is_missing_and_the_page_says_what_to_do(capsys):
    def broken():
        raise ImportError("libcudart.so.13: cannot\nopen")

    found = report.run({"GPU": broken, "disk": lambda: Finding("ok", "9 GB")})
    report.print_findings(found, Console(width=100))
    gpu, fix, disk, last = capsys.readouterr().out.splitlines()
    assert gpu.startswith("✗ GPU: ImportError: libcudart.so.13: ")
    assert (fix.strip(), disk, last) == (report.SETUP, "✓ disk: 9 GB", "missing: GPU")


def test_a_mistake_in_site_yaml_is_told_once_with_its_own_fix(clone, printed):
    Path("site.yaml").write_text("partitoin: gpu\n")
    lines = printed("doctor", code=1).splitlines()
    (at,) = [n for n, line in enumerate(lines) if "partitoin" in line]
    assert "site.yaml" in lines[at].partition(":")[0]
    assert not lines[at + 1].startswith(" ")  # no line with another fix follows
    assert lines[-1] == "missing: site.yaml"


def test_the_exit_code(clone, printed):
    said = printed("doctor", "--scale", "paper", code=1).splitlines()
    (missing,) = (line for line in said if line.startswith("missing: "))
    assert not lacks(missing, "dataset", "pre-trained")
