"""Clone 1 trains and pushes, clone 2 pulls: nothing is made again, an edit remakes what it must."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import boto3
import pytest
import yaml
from clones import SMOKE, commit, environment, run, small_repository
from dvc.commands.status import CmdDataStatus
from moto.server import ThreadedMotoServer
from repository import content, planned

from seesaw.workflow.reruns import UNNAMED

pytestmark = pytest.mark.slow
STAGE = "smoke/dvc.yaml:table_a1"
KEYS = {"AWS_ACCESS_KEY_ID": "planted-id", "AWS_SECRET_ACCESS_KEY": "planted-secret-5d1f"}
S3 = KEYS | {"AWS_DEFAULT_REGION": "us-east-1"}
UP_TO_DATE = f"{CmdDataStatus.UP_TO_DATE_MSG}\n"


@pytest.fixture(scope="module")
def s3():
    """An S3 server on loopback with one bucket; its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1",
        aws_access_key_id="a", aws_secret_access_key="b",
    )  # fmt: skip
    client.create_bucket(Bucket="store")
    yield address
    server.stop()


@pytest.fixture(scope="module")
def one(tmp_path_factory, s3):
    """The clone that trains: `dvc repro` is killed in the middle and started again."""
    root = small_repository(tmp_path_factory.mktemp("clones") / "one")
    before = run(root, "dvc", "status", "dvc.yaml")
    with open(root.parent / "killed.txt", "w") as log:
        killed = subprocess.Popen(
            ("dvc", "repro", STAGE), cwd=root, env=environment(root, **S3), stdout=log, stderr=log
        )
        while killed.poll() is None and not list((root / "work").rglob("log.jsonl")):
            time.sleep(0.2)
        killed.kill()  # its Snakemake goes on, and holds the lock
        killed.wait()
    output = run(root, "dvc", "repro", STAGE, **S3)
    assert killed.returncode == -9 and "waiting for" in output
    assert run(root, "git", "status", "--porcelain") == "?? smoke/dvc.lock\n"
    assert run(root, "dvc", "status", STAGE) == UP_TO_DATE
    # of the other scale, which lives in the same clone
    assert run(root, "dvc", "status", "dvc.yaml") == before
    run(root, "dvc", "remote", "add", "-q", "-d", "folder", str(root.parent / "store"))
    run(root, "dvc", "remote", "add", "-q", "cloud", "s3://store/seesaw")
    run(root, "dvc", "remote", "modify", "-q", "cloud", "endpointurl", s3)
    commit(root, "results")
    for remote in ("folder", "cloud"):
        run(root, "dvc", "push", "-q", "-r", remote, "-d", STAGE, **S3)
    return root


def clone(one, name, remote):
    root = one.parent / name
    run(one.parent, "git", "clone", "-q", str(one), name)
    run(root, "dvc", "pull", "-q", "-r", remote, "-d", STAGE, **S3)
    return root


@pytest.fixture(scope="module")
def two(one):
    return clone(one, "two", "folder")


def plan(root):
    """What Snakemake would run: rule -> jobs."""
    return planned(run(root, "snakemake", "--profile", "local", "-n", "table_a1", *SMOKE))


def test_all_results_are_versioned_and_no_key_is_written(one):
    stages = yaml.safe_load((one / "smoke/dvc.yaml").read_text())["stages"]
    outs = [Path(path) for stage in stages.values() for out in stage["outs"] for path in out]
    for path in content(one / "results"):
        path = Path("results") / path
        assert any(path == out or out in path.parents for out in outs), path
    for folder in (one, one.parent / "store"):
        for path, text in content(folder).items():
            assert b"planted-secret" not in text, path


@pytest.mark.parametrize(("name", "remote"), [("two", "folder"), ("three", "cloud")])
def test_a_clone_that_pulls_makes_nothing_again(one, name, remote, request):
    root = request.getfixturevalue("two") if name == "two" else clone(one, name, remote)
    assert plan(root) == {}
    output = run(root, "dvc", "repro", STAGE)
    assert output.count(" change, skipping") == 3 and "Running" not in output
    assert run(root, "dvc", "status", STAGE) == UP_TO_DATE
    assert content(root / "results") == content(one / "results")
    assert run(root, "git", "status", "--porcelain") == ""
    for path in (*root.glob("results/**/*"), *root.glob("data/**/*"), *root.glob("configs/**/*")):
        os.utime(path)
    assert plan(root) == {}


def test_the_reference_is_frozen_from_a_pulled_clone(two):
    assert plan(two) == {}  # a call of Snakemake restores its metadata
    run(two, "seesaw", "freeze", "smoke")
    output = run(two, "seesaw", "reference", "--scale", "smoke")
    assert f"a02_syncbn is identical; {UNNAMED}" in output
    assert run(two, "git", "status", "--porcelain") == ""  # smoke's is noise: ignored


def test_an_edit_remakes_what_depends_on_it_and_going_back_remakes_nothing(one, two):
    before = content(two / "results/smoke")
    table = two / "configs/experiments.yaml"
    said = table.read_text()
    table.write_text(said.replace("title: Step by step", "title: One by one", 1))
    assert {"train", "evaluate", "table"} & plan(two).keys() == {"table"}
    table.write_text(said)
    config = two / "configs/table_a1/a02_syncbn.py"
    config.write_text(
        config.read_text() + "\noptim_wrapper = dict(optimizer=dict(weight_decay=0.0002))\n"
    )
    table.write_text(table.read_text().replace("+ SyncBN", "+ SyncBN, decay"))
    wanted = {"train": 1, "detect": 1, "evaluate": 1, "table": 1, "table a1": 1}
    assert {k: wanted[k] for k in plan(two)} == plan(two) and plan(two)["train"] == 1
    output = run(two, "dvc", "repro", STAGE)
    assert plan(two) == {}
    assert f"Running stage '{STAGE}'" in output and output.count(" change, skipping") == 2
    after = content(two / "results/smoke")
    changed = {path.parts[0] for path in before if after[path] != before[path]}
    assert changed == {"a02_syncbn", "tables", "stages"}
    metrics = run(two, "dvc", "metrics", "diff", "--all")
    assert re.search(r"metrics/a02_syncbn\.json +AP_box +[\d.]+ +[\d.]+", metrics)
    assert "metrics/a01_mask_rcnn.json" in run(two, "dvc", "metrics", "show")
    plots = run(two, "dvc", "plots", "show", "--json", "smoke/dvc.yaml::table_a1 AP")
    assert '"evaluation": "a02_syncbn"' in plots
    commit(two, "another decay")
    run(two, "git", "checkout", "-q", "HEAD~1")
    run(two, "dvc", "checkout", "-q", STAGE)
    assert content(two / "results/smoke") == before
    assert plan(two) == {}
    shutil.rmtree(two / ".snakemake")
    assert plan(two) == {}


def test_an_experiment_retrains_what_its_setting_concerns_and_is_undone(one):
    root = clone(one, "four", "folder")
    before = content(root / "results/smoke")
    setting = "configs/scales/smoke.yaml:+set_in.a02_syncbn.fc_channels=24"
    run(root, "dvc", "exp", "run", "-S", setting, STAGE)
    assert plan(root) == {}
    after = content(root / "results/smoke")
    changed = {path.parts[0] for path in before if after[path] != before[path]}
    assert changed == {"a02_syncbn", "tables", "stages"}
    run(root, "git", "checkout", "-q", "configs", "smoke/dvc.lock")
    run(root, "dvc", "checkout", "-q", STAGE)
    assert content(root / "results/smoke") == before
    assert plan(root) == {}
