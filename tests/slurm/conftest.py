"""A Slurm of its own for these tests, stopped at the end."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
TOY = ("--snakefile", str(HERE / "toy.smk"))
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

    def __init__(self, folder: Path, port: int):
        self.folder = folder
        places = [folder / "bin", Path(sys.executable).parent, os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "CLUSTER_PORT": str(port),
            "PATH": os.pathsep.join(map(str, places)),
            "PYTHONPATH": str(HERE / "poll"),
            "SEESAW_LEASE_SECONDS": "1",
            "SEESAW_LOST_SECONDS": "10",
        }

    def control(self, *action: str) -> None:
        command = [HERE / "cluster", *action, self.folder]
        subprocess.run(command, env=self.environment, check=True)

    def start(self, root: Path, *arguments: str) -> subprocess.Popen:
        """`snakemake --profile slurm` in a folder; its words go to `said`."""
        command = [Path(sys.executable).with_name("snakemake"), "--profile", "slurm"]
        command += ["--slurm-init-seconds-before-status-checks", "2", *arguments]
        with (root / "said").open("a") as said:
            return subprocess.Popen(
                command, cwd=root, env=self.environment, stdout=said, stderr=said
            )

    def run(self, root: Path, *arguments: str) -> str:
        """The same, to its end; what it said."""
        before = (root / "said").stat().st_size if (root / "said").exists() else 0
        status = self.start(root, *arguments).wait()
        said = (root / "said").read_text()[before:]
        assert status == 0, said[-5000:]
        return said

    def ask(self, *command: str) -> str:
        return subprocess.check_output(command, env=self.environment, text=True)


@contextmanager
def running_cluster(port: int) -> Iterator[Cluster]:
    """A cluster on ports of its own, or a skipped test where Slurm is not installed."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("one cluster a machine; run pytest tests/slurm -m slow without -n")
    if not shutil.which("slurmctld", path=f"/usr/sbin:{os.environ['PATH']}"):
        missing = f"no Slurm here; {INSTALL}"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    # Open to all, as munge wants it; pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    running = Cluster(folder, port)
    try:
        running.control("start")
        yield running
    finally:
        running.control("stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster():
    with running_cluster(17000) as running:
        yield running


@pytest.fixture
def frail_cluster():
    """A second one, whose controller may be stopped without harm to the other's jobs."""
    with running_cluster(17100) as running:
        yield running


def clone(folder: Path) -> Path:
    """A folder with the profiles of a fresh clone and the toys' site."""
    shutil.copytree(REPOSITORY / "profiles", folder / "profiles")
    (folder / "slurm").symlink_to("profiles/slurm")
    (folder / "site.yaml").write_text(SITE)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="session")
def time_outs(cluster, tmp_path_factory):
    """A toy that is cut off 17 times, in the background of all other tests, and its folder."""
    folder = clone(tmp_path_factory.mktemp("time_outs"))
    running = cluster.start(folder, *TOY, "out/cut")
    yield running, folder
    if running.poll() is None:
        running.terminate()
        running.wait()
