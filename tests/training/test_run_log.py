"""What a training logs, also when it is killed and goes on; and that logging changes nothing."""

import errno
import os
import resource
import time
from types import SimpleNamespace

import pytest
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from toy_training import HEADER, ITERATIONS, attempt, fault
from waiting import wait_until
from wandb_runs import history, records

from seesaw.training import hook, run_log
from seesaw.workflow.used_code import code_modules

MEASURED = ("at", "time", "data_time", "memory")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole")
    assert attempt(folder, log="off") == 0
    return folder


def log_of(folder):
    return run_log.read(folder / "work/log.jsonl")


def curve(steps):
    """What must not depend on interruptions."""
    return [{k: v for k, v in line.items() if k not in MEASURED} for line in steps]


def offline_runs(folder, count):
    """Records of each offline run, oldest first, once their processes have ended."""

    def ended():
        found = [records(path) for path in sorted(folder.glob("wandb/offline-run-*"))]
        return found if [r[-1]["type"] for r in found if r] == count * ["exit"] else None

    return wait_until(ended)


def test_each_logged_iteration_has_loss_rate_time_memory_and_accuracy(whole):
    log = log_of(whole)
    assert log.header == HEADER
    assert [(a["attempt"], a["iter"]) for a in log.attempts] == [(1, 0)]
    # 30 // 20: a short training logs each iteration
    assert [line["iter"] for line in log.steps] == list(range(1, ITERATIONS + 1))
    for line in log.steps:
        assert line["loss"] > 0 and line["time"] > 0 and line["memory"] > 100
        assert line["lr"] > 0
    # a linear warm-up from 1e-3 times the rate of 0.05, then the rate
    assert log.steps[0]["lr"] == pytest.approx(0.05 * 1e-3)
    assert log.steps[5]["lr"] == pytest.approx(0.05)


def test_the_memory_is_the_peak_though_mmengines_log_resets_it(tmp_path, monkeypatch):
    peaks = [300.0]
    monkeypatch.setattr(hook, "_peak_memory", lambda: peaks[-1])
    monkeypatch.setattr(LoggerHook, "after_train_iter", lambda *_, **__: peaks.append(100.0))
    monkeypatch.setattr(hook, "_remarks", lambda *_: [])
    loader = SimpleNamespace(batch_sampler=SimpleNamespace(batch_size=2))
    runner = SimpleNamespace(
        _hooks=[],
        iter=0,
        max_iters=2,
        message_hub=SimpleNamespace(log_scalars={}),
        train_dataloader=loader,
        model=None,
        cfg=SimpleNamespace(batch_size=2),
    )
    with hook.RunLogHook(tmp_path / "log.jsonl", HEADER) as log:
        for one in (LoggerHook(), log):  # as mmengine's runner registers them
            Runner.register_hook(runner, one)
        log.before_train(runner)
        for runner.iter in range(2):
            Runner.call_hook(runner, "after_train_iter", batch_idx=runner.iter)
    assert [line["memory"] for line in run_log.read(tmp_path / "log.jsonl").steps] == [300, 300]


def test_the_log_changes_nothing_of_the_training(whole, tmp_path):
    assert attempt(tmp_path) == 0
    assert (tmp_path / "model.pth").read_bytes() == (whole / "model.pth").read_bytes()
    tracking = {f"seesaw.training.{name}" for name in ("run_log", "hook", "mirror", "runs")}
    assert not tracking & set(code_modules(["seesaw.training.train"]))


def test_a_killed_training_goes_on_as_one_curve_here_and_in_wandb(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    assert attempt(tmp_path, log="offline", hooks=fault(13)) == -9
    assert [line["iter"] for line in log_of(tmp_path).steps] == list(range(1, 14))
    (killed,) = offline_runs(tmp_path, 1)  # the mirror outlives the training and finishes
    assert [item["_step"] for item in history(killed)] == list(range(1, 14))
    with (tmp_path / "work/log.jsonl").open("a") as file:
        file.write('{"iter": 14, "lo')  # torn
    time.sleep(1)  # W&B names its folders by the second
    assert attempt(tmp_path, log="offline") == 0
    log = log_of(tmp_path)
    assert [(a["attempt"], a["iter"]) for a in log.attempts] == [(1, 0), (2, 10)]
    assert curve(log.steps) == curve(log_of(whole).steps)
    first, second = offline_runs(tmp_path, 2)
    # the second is whole by itself, whatever became of the first
    keys = ("iter", "loss", "lr", "time", "memory")
    mirrored = [{k: item[k] for k in keys} for item in history(second)]
    assert mirrored == [{k: line[k] for k in keys} for line in log.steps]
    assert [item["_step"] for item in history(second)] == [line["iter"] for line in log.steps]
    assert history(second)[0]["_timestamp"] == pytest.approx(log.steps[0]["at"], abs=1)
    for found in (first, second):
        run = next(r["run"] for r in found if r["type"] == "run")
        assert (run["run_id"], run["run_group"], run["display_name"], run["tags"]) == (
            HEADER["id"],
            "table_a1",
            "toy",
            ["smoke"],
        )
        assert run["config"]["update"]["seed"] == 3
        axes = [r["metric"] for r in found if r["type"] == "metric"]
        assert {"glob_name": "*", "step_metric": "iter"}.items() <= axes[1].items()
    assert (tmp_path / "model.pth").read_bytes() == (whole / "model.pth").read_bytes()


@pytest.mark.slow
def test_a_stopped_training_logs_what_it_did(whole, tmp_path):
    assert attempt(tmp_path, ranks=2, log="off", hooks=fault(16, "term")) == 75
    assert [line["iter"] for line in log_of(tmp_path).steps] == list(range(1, 18))
    assert attempt(tmp_path, ranks=2, log="off") == 0
    assert [line["iter"] for line in log_of(tmp_path).steps] == list(range(1, ITERATIONS + 1))


def test_a_log_that_cannot_be_written_is_one_warning(whole, tmp_path):
    (tmp_path / "work/log.jsonl").mkdir(parents=True)
    assert attempt(tmp_path, log="off") == 0
    assert (tmp_path / "model.pth").read_bytes() == (whole / "model.pth").read_bytes()
    assert (tmp_path / "log.0").read_text().count(os.strerror(errno.EISDIR)) == 1


def test_damaged_lines_are_left_out_and_an_evaluation_is_added_below_them(tmp_path):
    log = tmp_path / "log.jsonl"
    run_log.begin(log, HEADER, 0)
    with log.open("a") as file:
        file.write(
            '{"iter": 1, "loss": 2}\n{"iter": "2"}\n{"run": 5}\n{"attempt": 2}\n'
            '\0\0\0\n[1]\n{"iter": 3, "l'
        )
    assert run_log.append_evaluation(log, "a01", {"AP": 1.0})
    found = run_log.read(log)
    assert found.header == HEADER and len(found.attempts) == 1
    assert [line["iter"] for line in found.steps] == [1]
    assert [(line["evaluation"], line["iter"]) for line in found.evaluations] == [("a01", 1)]


def test_an_evaluation_ends_well_where_the_log_cannot_be_written(tmp_path, capsys):
    log = tmp_path / "log.jsonl"
    log.symlink_to("/dev/full")
    assert not run_log.append_evaluation(log, "a01", {"AP": 1.0})  # it is no file
    log.unlink()
    log.write_text("{}\n" * 333_333)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    try:
        assert not run_log.append_evaluation(log, "a01", {"AP": 1.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.strerror(errno.EFBIG) in capsys.readouterr().out


def test_an_attempt_names_its_own_batch_statistics(tmp_path):
    assert attempt(tmp_path, log="off", images_per_gpu=1, hooks=fault(3, "term")) == 75
    assert attempt(tmp_path, log="off") == 0
    few, all_ = (a["remarks"] for a in run_log.read(tmp_path / "work/log.jsonl").attempts)
    assert few == ["batch statistics differ: BN over 1 of 2 images"] and all_ == []
