"""Folders of users in the workflow: any name, and what their correction makes stale."""

import subprocess
import sys
from pathlib import Path

import pytest
import small_folder

from seesaw.errors import UserError
from seesaw.spec import datasets
from seesaw.spec.scales import Scale, snakemake_command

REPOSITORY = Path(__file__).parents[2]
NAME = "it's my $(touch X) `touch X`;touch X & data"


@pytest.fixture
def project(rules):
    """The workflow's files and the real configs, as the working directory."""
    (rules / "configs").symlink_to(REPOSITORY / "configs")
    return rules


def snakemake(project, *words):
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


@pytest.mark.slow
def test_a_folders_name_is_data_to_the_shell(project):
    folder = small_folder.make(project / NAME)
    done = snakemake(project, f"{NAME}/manifest.json", "--config", "scale=smoke", f"dataset={NAME}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "manifest.json").is_file()
    assert "is complete" in (project / f"logs/smoke@{NAME}/data.log").read_text()
    assert not list(project.rglob("X"))


@pytest.mark.parametrize("name", ["a{b}", "a\nb", "a: b", "a #b", "'ab'"])
def test_names_that_snakemake_cannot_take_are_refused_by_the_verbs_too(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    folder = small_folder.make(tmp_path / name)
    with pytest.raises(UserError, match="cannot be named in a workflow"):
        datasets.load(folder.name)


def test_commands_that_are_shown_can_be_pasted(tmp_path):
    folder = small_folder.make(tmp_path / "it's mine; really")
    command = snakemake_command(Scale("smoke", str(folder)), "all")
    split = subprocess.run(["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True)
    assert split.stdout.decode().splitlines()[-1] == f"dataset={folder}"
