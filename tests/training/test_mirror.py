"""W&B's mirror with the real client: what it is sent, and that it can stop nothing."""

import errno
import json
import os
import socket

import psutil
import pytest
from facts import lacks
from waiting import wait_until
from wandb_runs import history, inspect, records

from seesaw.errors import UserError
from seesaw.training import run_log, runs
from seesaw.training.mirror import Mirror, replay

LATER = "`seesaw wandb-sync`"
HEADER = {"id": "a11-seed0-01234567", "group": "table_a1", "name": "a11", "tags": ["mini", "1x"]}
HEADER |= {"config_hash": "0123", "git": {"commit": "c0ffee"}, "dataset": {"manifest": "da7a"}}
HEADER |= {"lock": "10c4", "config": {"optimizer": {"lr": 0.02}}}


@pytest.fixture
def log(tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.netrc
    path = tmp_path / "log.jsonl"
    run_log.begin(path, HEADER, 0)
    with path.open("a") as file:
        for i in (20, 40):
            file.write(run_log.dumped(run_log.step(i, {"loss": 1 / i, "acc": 90.0})))
    return path


def test_a_replay_holds_the_curve_the_ap_and_the_hashes(log, tmp_path, capfd):
    assert run_log.append_evaluation(log, "a11", {"AP": 12.5, "AP_r": None})
    assert run_log.append_evaluation(log, "a12", {"AP": 13.0})
    assert run_log.append_evaluation(log, "a12", {"AP": 13.5})  # evaluated again
    assert replay(log, "offline")
    assert capfd.readouterr() == ("", "")
    (run,) = tmp_path.glob("wandb/offline-run-*")
    items = history(records(run))
    plain = [{k: v for k, v in item.items() if k[0] != "_"} for item in items]
    assert plain == [
        {"iter": 20, "loss": 0.05, "acc": 90.0},
        {"iter": 40, "loss": 0.025, "acc": 90.0},
        {"iter": 40, "val/AP": 12.5, "a12/AP": 13.5},
    ]
    summary = json.loads(inspect(run, "--summary"))
    assert (summary["summary"]["val/AP"], summary["summary"]["a12/AP"]) == (12.5, 13.5)
    assert summary["run_id"] == HEADER["id"] and summary["tags"] == HEADER["tags"]
    assert summary["config"].items() >= {"config_hash": "0123", "lock": "10c4"}.items()
    assert summary["config"]["git"] == {"commit": "c0ffee"}
    assert summary["config"]["dataset"] == {"manifest": "da7a"}
    assert summary["config"]["config"] == {"optimizer": {"lr": 0.02}}
    assert summary["project"] == "seesaw" and summary["state"] == "finished"


def test_a_tag_that_is_too_long_for_wandb_is_cut(log):
    log.unlink()
    run_log.begin(log, HEADER | {"tags": [f"mini@{'n' * 100}"]}, 0)
    assert replay(log, "offline")


def test_without_an_account_it_is_one_warning(log, capfd):
    assert not replay(log, "online")
    said = capfd.readouterr()
    assert said.out == ""
    assert not lacks(said.err, "W&B", "`wandb login`", LATER) and said.err.count("\n") == 1


def test_a_server_that_never_answers_delays_nothing(log, monkeypatch, capfd):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(60)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", 40 * "0")
        others = set(psutil.Process().children(recursive=True))
        mirror = Mirror(log, "online")
        mirror.start()
        server.accept()  # it is asking
        began = set(psutil.Process().children(recursive=True)) - others
        assert not mirror.end(seconds=0.2)
        assert not [p for p in began if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    said = capfd.readouterr().err
    assert not lacks(said, "W&B", LATER) and said.count("\n") == 1


def test_a_mirror_follows_a_log_that_grows(log, tmp_path):
    mirror = Mirror(log, "offline")
    mirror.start()
    wait_until(lambda: list(tmp_path.glob("wandb/offline-run-*")))
    with log.open("a") as file:
        file.write(run_log.dumped(run_log.step(60, {"loss": 0.5})))
        file.write('{"iter": 80, "lo')
    assert mirror.end()
    (run,) = tmp_path.glob("wandb/offline-run-*")
    assert [item["iter"] for item in history(records(run))] == [20, 40, 60]


def test_a_process_that_cannot_start_is_one_warning(log, monkeypatch, capfd):
    monkeypatch.setattr("sys.executable", "/no/such/python")
    assert not replay(log, "offline")
    said = capfd.readouterr().err
    assert not lacks(said, "W&B", os.strerror(errno.ENOENT), LATER) and said.count("\n") == 1


def test_off_starts_nothing(log, tmp_path):
    before = psutil.Process().children()
    assert replay(log, "off")
    assert psutil.Process().children() == before and not (tmp_path / "wandb").exists()


@pytest.mark.parametrize(
    ("setting", "environment", "mode"),
    [
        (None, None, "off"),
        ("wandb: off", None, "off"),
        ("wandb: offline", None, "offline"),
        ("wandb: offline", "online", "online"),
        ("wandb: online", "disabled", "off"),
    ],
)
def test_one_setting_decides(tmp_path, monkeypatch, setting, environment, mode):
    file = tmp_path / "site.yaml"
    monkeypatch.setattr(runs.site, "FILE", file)
    monkeypatch.setattr(runs.site.load, "__defaults__", (file,))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if setting:
        file.write_text(setting)
    if environment:
        monkeypatch.setenv("WANDB_MODE", environment)
    assert runs.mode() == mode


def test_a_wrong_mode_is_reported(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "on")
    with pytest.raises(UserError, match=r"WANDB_MODE .*'on'.* off, offline, online"):
        runs.mode()


def test_an_evaluation_without_a_log_is_passed_over(tmp_path):
    assert not run_log.append_evaluation(tmp_path / "log.jsonl", "a11", {"AP": 1.0})
    assert not list(tmp_path.iterdir())


def test_a_line_separator_in_a_name_splits_no_line(tmp_path):
    path, header = tmp_path / "log.jsonl", {"id": "a", "dataset": {"name": "a\u2028b\x85c"}}
    run_log.begin(path, header, 0)
    assert run_log.read(path).header == header
