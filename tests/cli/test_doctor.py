"""What the doctor sees and says; and that all ways to the environment lead to one lock."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from facts import lacks
from packaging.specifiers import SpecifierSet
from repository import REPOSITORY, copied
from rich.console import Console

from seesaw.cli import main
from seesaw.cli.checks import operators, report, software, surroundings
from seesaw.cli.checks.report import Finding
from seesaw.core import paths
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
    assert operators.broken("cpu") == {}
    assert list(operators.operators("cpu")) == [
        "nms",
        "batched_nms",
        "roi_align",
        "deform_conv2d",
        "modulated_deform_conv2d",
        "carafe",
        "deform_roi_pool",
    ]


def test_an_operator_that_fails_or_lies_is_named(monkeypatch):
    def fails(*_):
        raise RuntimeError("roi_align_forward_impl: implementation for device cuda:0 not found.")

    monkeypatch.setattr(operators.ops, "roi_align", fails)
    monkeypatch.setattr(operators.ops, "nms", lambda *_: ([1, 2], None))
    assert operators.broken("cpu") == {
        "nms": "gives 2, not 1",
        "roi_align": "roi_align_forward_impl: implementation for device cuda:0 not found.",
    }


def test_a_clone_is_told_what_the_paper_scale_lacks(clone):
    paper = Scale("paper")
    lost = surroundings.dataset(paper)
    assert lost.state == "missing"
    assert lost.fix == "seesaw download --scale paper && seesaw data --scale paper"
    assert surroundings.weights(paper) == Finding(
        "missing",
        "no resnet50-0676ba61.pth, resnet101-63fe2227.pth, resnest200_d2-ca88e41f.pth",
        "seesaw download pretrained",
    )
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
    assert surroundings.slurm(paper) == Finding("ok", "partitions cpu, gpu")
    Path("site.yaml").write_text("partition: a100\n")
    found = surroundings.slurm(paper)
    assert found.state == "missing" and "a100" in found.found
    assert not lacks(found.fix, "cpu, gpu", "site.yaml")
    Path("site.yaml").write_text("partition: gpu\n")
    command("scontrol", "MinJobAge = 60 sec")
    assert not lacks(surroundings.slurm(paper).found, "MinJobAge", "60 s")
    Path("site.yaml").write_text("partition: gpu,cpu\n")  # sbatch takes the first that is free
    assert surroundings.slurm(paper).state == "remark"
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


def test_a_check_that_breaks_is_missing_and_the_page_says_what_to_do():
    def broken():
        raise ImportError("libcudart.so.13: cannot open\nshared object file")

    found = report.run({"GPU": broken, "disk": lambda: Finding("ok", "9 GB free")})
    out = io.StringIO()
    report.render(found, Console(file=out, width=100))
    gpu, fix, disk, last = out.getvalue().splitlines()
    assert gpu.startswith("✗ GPU: ImportError: libcudart.so.13: ")
    assert (fix.strip(), disk, last) == (report.SETUP, "✓ disk: 9 GB free", "missing: GPU")


def test_a_mistake_in_site_yaml_is_told_once_with_its_own_fix(clone, capsys):
    Path("site.yaml").write_text("partitoin: gpu\n")
    assert main.main(["doctor"]) == 1
    said = capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if "partitoin" in line]
    assert "site.yaml" in line.partition(":")[0] and "setup.sh" not in said
    assert "missing: site.yaml" in said


def test_the_exit_code(clone, capsys):
    assert main.main(["doctor", "--scale", "paper"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"^missing: .*dataset, pre-trained weights$", said, re.MULTILINE)


LOCK = dict(re.findall(r"^([\w.-]+)==(\S+)", (REPOSITORY / "requirements.lock").read_text(), re.M))


def test_condas_environment_is_that_of_pyproject_and_lock():
    given = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    pinned = dict(d.split("=", 1) for d in given if "=" in d)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert SpecifierSet(project["requires-python"]).contains(pinned["python"])
    # Python packages are pip's: one that stood here too could differ from the lock
    assert {d.split("=")[0] for d in given}.isdisjoint(set(LOCK) - {"pip"})
    # torch's wheels on PyPI are built with this CUDA; another torch needs a look at both
    assert (LOCK["torch"], pinned["cuda-version"]) == ("2.13.0", "13.0")


def sections(text):
    """Name -> lines of an Apptainer definition file; the header's under ''."""
    parts = re.split(r"^%(\w+).*\n", text, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], [p.split("\n") for p in parts[::2]], strict=True))


def test_the_container_is_built_by_the_same_script_from_the_same_files():
    made = sections((REPOSITORY / "tools/seesaw.def").read_text())
    assert set(made) == {"", "files", "post", "environment", "runscript", "test"}
    header = dict(line.split(": ", 1) for line in made[""] if re.match(r"\w+: ", line))
    assert header == {"Bootstrap": "docker", "From": "condaforge/miniforge3"}
    # Apptainer reads a source and a destination of each line, and ignores further words.
    pairs = [line.split() for line in made["files"] if line]
    assert all(len(pair) == 2 and pair[1] == "/opt/seesaw/" for pair in pairs)
    copied = [source for source, _ in pairs]
    assert all((REPOSITORY / name).exists() for name in copied)
    assert {"environment.yml", "requirements.lock", "pyproject.toml", "src", "tools"} <= {*copied}
    post = "\n".join(made["post"])
    assert "conda env create -p /opt/conda/envs/seesaw -f environment.yml" in post
    assert "FORCE_CUDA=1 PYTHON=$CONDA_PREFIX/bin/python" in post and "tools/setup.sh" in post
    assert "pip install" not in post  # all of that is the script's
    for name in ("post", "runscript", "test"):
        checked = subprocess.run(["sh", "-n"], input="\n".join(made[name]), text=True)
        assert checked.returncode == 0


def test_mmcv_is_compiled_for_the_gpus_that_are_seen_or_all_that_torch_knows(tmp_path):
    """The script's own lines, with a torch that says what it was built for and what it sees."""
    lines = (REPOSITORY / "tools/setup.sh").read_text().split("<< 'END'\n")[1].split("END\n")[0]

    def kind(cuda, seen=(), **environment):
        fake = f"""class version: cuda = {cuda!r}
class cuda:
    is_available = lambda: bool({seen})
    device_count = lambda: len({seen})
    get_device_capability = {list(seen)}.__getitem__
    get_arch_list = lambda: ["sm_75", "sm_90", "sm_120", "compute_120"]
"""
        (tmp_path / "torch.py").write_text(fake)
        env = {k: v for k, v in os.environ.items() if "CUDA" not in k} | environment
        call = [shutil.which("python"), "-c", lines]
        return subprocess.check_output(call, text=True, env=env, cwd=tmp_path)

    assert kind(None) == kind("13.0") == kind(None, FORCE_CUDA="1") == ""
    assert kind("13.0", FORCE_CUDA="1") == "13.0 7.5;9.0;12.0+PTX\n"
    assert kind("13.0", [(9, 0), (8, 0), (9, 0)]) == "13.0 8.0;9.0\n"
    assert kind("13.0", [(9, 0)], TORCH_CUDA_ARCH_LIST="8.0") == "13.0 8.0\n"


@pytest.mark.parametrize("cuda", ["", "13.0 9.0", "13.0 7.5;9.0;12.0+PTX"])
def test_pip_takes_the_folder_of_mmcvs_wheel(tmp_path, cuda):
    """The script's own line; pip splits a path at a semicolon, and looks before it installs."""
    text = (REPOSITORY / "tools/setup.sh").read_text()
    line = re.search(r"^wheels=\$wheels/torch-.*$", text, re.MULTILINE)[0]
    script = f"cuda='{cuda}' torch=torch==2.13.0 wheels={tmp_path}\n{line}\necho $wheels"
    folder = Path(subprocess.check_output(["bash", "-c", script], text=True).strip())
    folder.mkdir(parents=True)
    wheel = folder / "none-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as file:
        info = "none-1.0.dist-info"
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: none\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--dry-run", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("folder", "python", "kept"),
    [
        (".", sys.executable, True),
        ("elsewhere", sys.executable, False),
        (".", "/no/such/python", False),
    ],
)
def test_the_set_up_removes_an_environment_that_cannot_run(tmp_path, folder, python, kept):
    root = copied(tmp_path, "tools")
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/activate").write_text(f"VIRTUAL_ENV={root.resolve() / folder}/.venv\n")
    (root / ".venv/bin/python").symlink_to(python)
    env = os.environ | {"PYTHON": "no-python"}  # so that it ends there
    assert subprocess.run(["tools/setup.sh"], cwd=root, env=env).returncode == 2
    assert (root / ".venv").exists() == kept


def test_the_set_up_is_called_from_any_folder(tmp_path):
    root = copied(tmp_path, "tools", "requirements.lock", "pyproject.toml")
    names = ("requirements.lock", "pyproject.toml", "tools/setup.sh")
    (root / ".venv").mkdir()
    whole = hashlib.sha256(b"".join((root / name).read_bytes() for name in names)).hexdigest()
    (root / ".venv/.lock").write_text(f"{whole}\n")  # up to date: there is nothing to do
    env = os.environ | {"PYTHON": sys.executable}
    call = ["../tools/setup.sh"]
    done = subprocess.run(call, cwd=root / "tools", env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_set_up_that_fails_is_not_up_to_date(tmp_path):
    root = copied(tmp_path, "tools", "pyproject.toml")
    (root / "requirements.lock").touch()  # pins nothing: pip refuses
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").symlink_to(sys.executable)
    (root / ".venv/.lock").write_text("of another lock\n")
    env = os.environ | {"PYTHON": sys.executable, "CXX": "true"}
    assert subprocess.run(["tools/setup.sh"], cwd=root, env=env).returncode
    assert not (root / ".venv/.lock").exists()
