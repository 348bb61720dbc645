"""Site settings as Slurm options and commands; no Slurm needed."""

import os
import signal
import subprocess
import time

import pytest
from stand_ins import command

from seesaw.errors import UserError
from seesaw.spec import site
from seesaw.spec.site import Site
from seesaw.workflow.slurm import ledger, resources, torchrun


@pytest.fixture
def here(tmp_path):
    """The environment of a SLURM job on a machine that has SLURM's commands."""
    (tmp_path / "squeue").touch(mode=0o755)
    return {"SLURM_JOB_ID": "7", "PATH": str(tmp_path)}


def test_one_process_is_the_plain_command_outside_of_slurm(here, tmp_path):
    assert resources.trainer(Site(), 0, "work/x", {}) == "seesaw"
    assert resources.trainer(Site(), 1, "work/x", {}) == "seesaw"
    assert (
        resources.trainer(Site(), 1, "w", here)
        == "python -m seesaw.workflow.slurm.segments w -- seesaw"
    )
    (tmp_path / "squeue").unlink()  # in a container that only sees the job's variables
    assert resources.trainer(Site(), 1, "w", here) == "seesaw"


def test_a_shell_outlives_a_command_that_saves_on_a_signal(place):
    prefix = resources.shell_prefix(Site(), {"SLURM_JOB_ID": "7"}).format()
    saves = "trap 'sleep 0.2; touch saved; exit 75' TERM; touch begun; while :; do sleep 0.1; done"
    line = ["bash", "-c", f'{prefix} bash -c "{saves}"']
    shell = subprocess.Popen(line, start_new_session=True)
    while not (place / "begun").exists():
        time.sleep(0.05)
    os.killpg(shell.pid, signal.SIGTERM)
    assert shell.wait() == 75 and (place / "saved").exists()
    assert [end.status for end in ledger.ends("7")] == [75]


def asked(*site, attempt=1, **options):
    """The resources that Snakemake submits."""
    made = resources.job(*site, **options)
    return {k: v(None, attempt) if callable(v) else v for k, v in made.items()}


def test_the_gpus_of_one_node():
    ours = Site(gpu_model="a100", partition="gpu", account="lab")
    assert asked(ours, mem_mb=4000, runtime="24h", gpus=8) == {
        "slurm_partition": "gpu",
        "slurm_account": "lab",
        "runtime": "24h",
        "mem_mb": 8 * 32000,
        "cpus_per_task": 64,
        "nodes": 1,
        "gpu": 8,
        "gpu_model": "a100",
    }
    assert (
        resources.trainer(ours, 8, "w", {})
        == "python -m seesaw.workflow.slurm.torchrun 8 -m seesaw.cli"
    )


def test_more_gpus_than_a_node_has_span_nodes(here):
    ours = Site(gpu_model="a100", gpus={"paper": 16})
    job = asked(ours, mem_mb=4000, runtime="24h", gpus=16)
    assert (job["nodes"], job["tasks"], job["gres"]) == (2, 2, "gpu:a100:8")
    assert (job["mem_mb"], job["cpus_per_task"]) == (8 * 32000, 64) and "gpu" not in job
    assert (
        resources.trainer(ours, 16, "w", here)
        .split(" -- ")[1]
        .startswith(
            "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --gres=gpu:a100:8 --cpus-per-task=64"
        )
    )


@pytest.mark.parametrize("model", ["nvidia_a100-sxm4-80gb", "nvidia_a100_1g.10gb+me"])
def test_a_model_may_have_the_name_that_slurm_detects(here, model):
    ours = Site(gpu_model=model, gpus={"paper": 16})
    assert f" --gres=gpu:{model}:8 " in resources.trainer(ours, 16, "w", here)
    assert resources.gres_option(asked(ours, mem_mb=1, runtime="1h", gpus=2)).endswith(f"{model}:2")


def test_jobs_without_gpu_have_their_own_partition():
    ours = Site(partition="gpu", cpu_partition="cpu")
    assert asked(ours, mem_mb=500, runtime="1h") == {
        "slurm_partition": "cpu",
        "runtime": "1h",
        "mem_mb": 500,
        "cpus_per_task": 1,
    }
    again = asked(ours, attempt=3, mem_mb=500, runtime="1h")
    assert again["mem_mb"] == 1125  # half as much again, twice
    often = [asked(ours, attempt=n, mem_mb=500, runtime="1h")["mem_mb"] for n in (4, 21)]
    assert often[0] == often[1]  # a preempted job is repeated often, and needs no more memory


def test_defaults_are_what_the_example_says(tmp_path):
    assert site.load(tmp_path / "none.yaml") == Site()
    (tmp_path / "empty.yaml").write_text("# partition: gpu\n")
    assert site.load(tmp_path / "empty.yaml") == Site()
    example = site.FILE.with_name("site.yaml.example")
    assert site.load(example) == Site()
    assert all(f"\n{key}: " in example.read_text() for key in Site.model_fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("partitoin: gpu", "partitoin"),
        ("gpus: {paper: 12}", "gpus_per_node"),
        ("gpus: {paper: -8}", "gpus: paper .*-8"),
        ("gpus: {paper: 80000}", "gpus: paper .*80000"),
        ("cpus_per_gpu: 99999999999999999999", "cpus_per_gpu .* 1024"),
        ("mem_mb_per_gpu: 32000000000", "mem_mb_per_gpu .* 100000000"),
        ("mem_mb_per_gpu: 032000", "032000"),
        ("segment: 1 day", "segment .*'1 day'"),
        ("segment: 1.5.2h", "segment .*'1.5.2h'"),
        ("segment: 0h", "segment .*'0h'"),
        (f"segment: {'9' * 400}d", "segment"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, expected):
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"site\.yaml.*: .*{expected}"):
        site.load(path)


@pytest.mark.parametrize("step", [{}, {"SLURM_STEP_NUM_NODES": "1"}])
def test_one_node_needs_no_rendezvous_whatever_its_job_has(step):
    alone = ["--standalone", "--local-addr", "127.0.0.1"]
    assert torchrun.rendezvous({"SLURM_NNODES": "2", **step}) == alone


def test_the_nodes_meet_though_the_controller_is_away_at_first(place):
    away = "echo 'Unable to contact slurm controller' >&2; touch up; exit 1"
    answer = '[ "$2" = hostnames ] && echo n1 || echo "NodeName=n1 NodeAddr=10.0.0.1"'
    command(place, "scontrol", f"[ -e up ] || {{ {away}; }}; {answer}")
    step = {"SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_NODEID": "1"}
    assert "10.0.0.1" in torchrun.rendezvous({"SLURM_JOB_ID": "7", **step})


def test_gpus_that_are_not_stated_keep_their_default():
    assert Site(gpus={"paper": 16}).gpus == {"paper": 16, "single_gpu": 1}
