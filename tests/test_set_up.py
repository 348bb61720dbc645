"""The environment: made by one script, for conda and the container, too, and never half."""

import hashlib
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
from packaging.specifiers import SpecifierSet
from repository import REPOSITORY, copied

from seesaw.cli.checks import software

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


def test_packages_without_a_wheel_are_built_by_the_locked_setuptools():
    """pip's other options, as -c, do not reach the environment in which it builds."""
    script = (REPOSITORY / "tools/setup.sh").read_text()
    (line,) = re.findall(r".* -r requirements\.lock.*", script)
    assert "setuptools" in LOCK and "--build-constraint requirements.lock" in line


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


def test_the_set_up_and_doctor_take_the_same_pythons(tmp_path):
    """And an environment keeps its Python, unless PYTHON is set to another."""
    root = copied(tmp_path, "tools")
    (root / ".venv/bin").mkdir(parents=True)

    def said(version, python=""):
        """The fake is asked for its version, and then whether it has venv, which it denies."""
        fake = tmp_path / f"python{version}"
        fake.write_text(f"#!/bin/sh\ncase $2 in *version*) echo {version};; *) exit 1;; esac\n")
        fake.chmod(0o755)
        (root / ".venv/bin").mkdir(parents=True, exist_ok=True)
        (root / ".venv/bin/python").unlink(missing_ok=True)
        (root / ".venv/bin/python").symlink_to(fake)
        env = os.environ | {"PYTHON": python and str(tmp_path / f"python{python}"), "CXX": "true"}
        for name in ("requirements.lock", "pyproject.toml"):
            (root / name).touch()
        done = subprocess.run(["tools/setup.sh"], cwd=root, env=env, capture_output=True, text=True)
        assert done.returncode == 2
        return done.stderr

    taken = [f"3.{n}" for n in range(9, 16) if "no venv" in said(f"3.{n}")]
    assert tuple(taken) == software.PYTHONS
    assert "Python 3.14" in said("3.14") and (root / ".venv").exists()
    assert "python3.12 has no venv" in said("3.13", python="3.12")
    assert not (root / ".venv").exists()


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
