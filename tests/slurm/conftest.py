"""A Slurm of its own for these tests, stopped at the end, and a folder for stand-ins."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from repository import REPOSITORY
from toys import TOY

from seesaw.workflow.slurm import ledger, queue

HERE = Path(__file__).parent
SITE = """
gpu_model: a100
gpus: {paper: 4}
gpus_per_node: 2
cpus_per_gpu: 1
mem_mb_per_gpu: 500
"""
INSTALL = "apt-get install -y --no-install-recommends slurmctld slurmd munge slurm-client"


class Cluster:
    """A running cluster: its folder and the environment in which its commands work."""

    def __init__(self, folder: Path, tracking: str, select: str):
        self.folder = folder
        places = [folder / "bin", Path(sys.executable).parent, os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "CLUSTER_PROCTRACK": tracking,
            "CLUSTER_SELECT": select,
            "PATH": os.pathsep.join(map(str, places)),
            "SEESAW_LEASE_SECONDS": "1",
            "SEESAW_LOST_SECONDS": "10",
            "SEESAW_WAITING_SECONDS": "5",
        }

    def control(self, *action: str) -> None:
        command = [HERE / "cluster", *action, self.folder]
        subprocess.run(command, env=self.environment, check=True)

    def start(self, root: Path, *arguments: str) -> subprocess.Popen:
        """`snakemake --profile slurm` in a folder; its words go to `said`."""
        command = [Path(sys.executable).with_name("snakemake"), "--profile", "slurm"]
        command += ["--seconds-between-status-checks", "2", *arguments]
        with (root / "said").open("a") as said:
            return subprocess.Popen(
                command,
                cwd=root,
                env=self.environment,
                stdout=said,
                stderr=said,
            )

    def run(self, root: Path, *arguments: str) -> str:
        """The same, to its end; what it said."""
        before = (root / "said").stat().st_size if (root / "said").exists() else 0
        status = self.start(root, *arguments).wait()
        said = (root / "said").read_bytes()[before:].decode()
        assert status == 0, said[-5000:]
        return said

    def ask(self, *command: str) -> str:
        return subprocess.check_output(command, env=self.environment, text=True)


def version(said: str) -> tuple[int, ...]:
    """Year and month of a release, in what Slurm's -V prints."""
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", said).groups()))


@contextmanager
def running_cluster(tracking: str, select: str = "cons_tres") -> Iterator[Cluster]:
    """A cluster, or a skipped test where Slurm is not installed."""
    controller = shutil.which("slurmctld", path=f"/usr/sbin:{os.environ['PATH']}")
    if not controller:
        missing = f"no Slurm here; {INSTALL}"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    if version(subprocess.check_output([controller, "-V"], text=True)) >= (23, 11):
        select = "cons_tres"  # the only one of these that is left
    # Open to all, as munge wants it; pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    running = Cluster(folder, tracking, select)
    try:
        running.control("start")
        yield running
    finally:
        running.control("stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster():
    # Most sites track processes by cgroup, which only root can set up here.
    ours = os.access("/sys/fs/cgroup/freezer", os.W_OK)
    with running_cluster("cgroup" if ours else "pgid") as running:
        yield running


@pytest.fixture(scope="session")
def frail_cluster():
    """A second one, whose daemons may die; the processes of a dead node live on.

    Its scheduler is the older one, which refuses --gpus, where Slurm still has it.
    """
    with running_cluster("linuxproc", "cons_res") as running:
        yield running


@pytest.fixture(scope="session")
def new_clone(tmp_path_factory):
    """Makes a folder with the profiles of a fresh clone and the toys' site."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(REPOSITORY / "profiles", folder / "profiles")
        (folder / "slurm").symlink_to("profiles/slurm")
        (folder / "site.yaml").write_text(SITE)
        return folder

    return make


@pytest.fixture
def clone(new_clone):
    return new_clone("clone")


@pytest.fixture(scope="module")
def root(new_clone):
    return new_clone("root")


@pytest.fixture(scope="session")
def time_outs(cluster, new_clone):
    """Toys in the background of all other tests, by name the process and its folder.

    `cut` is cut off 17 times, `stuck` before it has done anything.
    """
    running = {}
    for toy in ("cut", "stuck"):
        folder = new_clone(toy)
        running[toy] = cluster.start(folder, *TOY, "--retries", "0", f"out/{toy}"), folder
    yield running
    for process, _ in running.values():
        process.kill()  # only if a test has failed before its end
        process.wait()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with a `bin` that is searched first."""
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    python = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), python, "/usr/bin", "/bin"]))
    monkeypatch.setenv(ledger.SCALE, "mini")
    monkeypatch.setattr(queue, "PAUSE", 0.1)
    monkeypatch.setattr(queue, "STATES", {})
    # Not everywhere is a SLURM, which an executor looks for; test_submissions.py tests that.
    monkeypatch.setattr("snakemake_executor_plugin_seesaw_slurm.no_cluster", lambda: None)
    return tmp_path


@pytest.fixture
def lost(monkeypatch):
    """Sets after how many seconds a job counts as lost."""
    return lambda seconds: monkeypatch.setattr(queue, "LOST", seconds)
