"""One workflow runs in a folder, also where two users share it; no Slurm needed."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from snakemake.exceptions import WorkflowError

from seesaw.workflow.slurm import controller


@pytest.fixture
def shared(monkeypatch):
    """The working directory: a folder that all users may write."""
    folder = Path(tempfile.mkdtemp())  # pytest's own are closed to others
    (folder / ".snakemake").mkdir()
    for path in (folder, folder / ".snakemake"):
        path.chmod(0o777)
    monkeypatch.chdir(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_workflow_of_another_user_is_seen(shared):
    controller.LOCK.write_text("process 7 on n1\n")
    controller.LOCK.chmod(0o644)
    with controller.LOCK.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.seteuid(65534)
        try:
            with pytest.raises(WorkflowError, match="process 7 on n1"):
                controller.alone()
        finally:
            os.seteuid(0)
