"""`seesaw config`: stand-alone configs, in mmdet's own tools."""

import json
import re
from pathlib import Path

import mmdet
import pytest
from mmengine.config import Config
from repository import python, seesaw

from seesaw.cli.main import main
from seesaw.core import paths
from seesaw.spec.config import resolve
from seesaw.spec.scales import Scale
from seesaw.training.standalone import standalone

TOOLS = Path(mmdet.__file__).parent / ".mim/tools"


def scored(output):
    """AP of masks and boxes, in percent, that a tool printed last."""
    return [float(re.findall(rf"lvis/{kind}_AP: (\S+)", output)[-1]) for kind in ("segm", "bbox")]


@pytest.mark.slow
def test_mmdets_tools_train_and_give_our_ap(smoke_root):
    short = ["train_cfg.max_iters=2", "train_cfg.val_interval=2", "optim_wrapper.optimizer.lr=0.01"]
    short.append("default_hooks.logger.interval=1")
    alone = [
        f"{part}_dataloader.{option}"
        for part in ("train", "val", "test")
        for option in ("num_workers=0", "persistent_workers=False")
    ]
    seesaw(smoke_root, "config", "b03", "-o", "b03.py", "--cfg-options", *short, *alone)
    done = python(smoke_root, TOOLS / "train.py", "b03.py", "--work-dir", "made")
    output = done.stdout + done.stderr
    assert "Iter(val)" in output and all(ap >= 0 for ap in scored(output))

    analysis = TOOLS / "analysis_tools"
    (log,) = smoke_root.glob("made/*/vis_data/scalars.json")
    curve = ("plot_curve", log, "--keys", "loss", "--style", "default", "--out", "loss.png")
    python(smoke_root, analysis / "analyze_logs.py", *curve)
    assert (smoke_root / "loss.png").stat().st_size > 0
    browse = ("b03.py", "--not-show", "--output-dir", "browsed")
    python(smoke_root, analysis / "browse_dataset.py", *browse)
    assert any((smoke_root / "browsed").iterdir())

    for verb in ("train", "detect", "evaluate"):
        seesaw(smoke_root, verb, "b03")
    scale = Scale("smoke")
    model = scale.model("b03_htc_lite", 0)
    path = scale.metrics(scale.table.evaluations["b03_htc_lite"], 0)
    ours = json.loads((smoke_root / path).read_text())
    done = python(smoke_root, TOOLS / "test.py", "b03.py", model, "--work-dir", "tested")
    output = done.stdout + done.stderr
    assert scored(output) == pytest.approx([ours[k]["AP"] for k in ("segm", "bbox")], abs=6e-5)


def test_a_training_of_the_paper_on_eight_gpus(tmp_path):
    """By hand: 16 images, 45 epochs with steps after 30 and 40, 500 iterations of warm-up."""
    path = tmp_path / "a10.py"
    assert main(["config", "a10", "--scale", "paper", "-o", str(path)]) == 0
    made = Config.fromfile(path, import_custom_modules=False)
    assert made.train_dataloader.batch_size == 2 and made.auto_scale_lr.base_batch_size == 16
    assert made.train_cfg.max_epochs == 45 and made.train_dataloader.sampler.shuffle is True
    warmup, steps = made.param_scheduler
    assert (warmup.begin, warmup.end, warmup.by_epoch) == (0, 500, False)
    assert (steps.milestones, steps.gamma, steps.by_epoch) == ([30, 40], 0.1, True)
    scale = Scale("paper")
    asked = resolve(scale.table.evaluations["a10_seesaw"].config_path, scale)
    assert made.model.to_dict() == asked.model.to_dict()
    assert made.optim_wrapper.to_dict() == asked.optim_wrapper.to_dict()


def test_a_hook_of_ones_own_is_kept_and_the_count_of_gradients_is_not():
    scale = Scale("paper")
    cfg = resolve(scale.table.evaluations["mask_rcnn_random_ce"].config_path, scale, register=False)
    cfg.custom_hooks.append(dict(type="SyncNormHook"))
    hooks = [hook.type for hook in standalone(cfg, scale, gpus=8).custom_hooks]
    assert hooks == ["CheckInvalidLossHook", "SyncNormHook"]


def test_what_starts_from_or_wraps_another_model(tmp_path):
    for name in ("a11", "a12"):
        assert main(["config", name, "--scale", "paper", "-o", str(tmp_path / f"{name}.py")]) == 0
    a11, a12 = (
        Config.fromfile(tmp_path / f"{name}.py", import_custom_modules=False)
        for name in ("a11", "a12")
    )
    assert a11.load_from == str(Scale("paper").model("a10_seesaw", 0))
    assert a12.model.type == "InstSegTTAModel" and a12.model.module.to_dict() == a11.model.to_dict()
    assert "train_cfg" not in a12 and a12.test_dataloader.dataset.pipeline[-1].type == "TestTimeAug"


def test_options_are_read_as_mmdets_tools_read_them(tmp_path, monkeypatch):
    (tmp_path / "configs").symlink_to(paths.CONFIGS.resolve())
    monkeypatch.chdir(tmp_path)
    given = ["auto_scale_lr.enable=true", "load_from=None"]
    given = ["--cfg-options", *given, "--cfg-options", "model.neck.num_outs=4"]
    assert main(["config", "a10", "--scale", "paper", "-o", "a.py", *given]) == 0
    made = Config.fromfile("a.py", import_custom_modules=False)
    assert made.auto_scale_lr.enable is True and made.load_from is None
    assert made.model.neck.num_outs == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a10", "--scale", "paper", "-o", "a10.yaml"], "--out a10.yaml"),
        (["a10", "--scale", "paper", "-o", "a.py", "--gpus", "5"], "--gpus is 5"),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "lr"], "--cfg-options lr"),
        (
            ["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "param_scheduler.7.end=1"],
            "--cfg-options param_scheduler.7.end",
        ),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "a-b=1"], "'a-b'"),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "a.\u00b2=1"], "no key"),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "a=[1,(2]"], "brackets"),
        (
            ["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "auto_scale_lr.enable.x=1"],
            "--cfg-options auto_scale_lr.enable.x",
        ),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "x=[1,-1e999]"], "x=[1, -inf]"),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "x=nan"], "x=nan"),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "model.class=1"], "no key"),
        (["a10", "--scale", "paper", "-o", "a.py", "--cfg-options", "text=1"], "no key"),
        (["test_dev_a12", "--scale", "paper", "-o", "a.py"], "test_dev"),
        (["a99", "--scale", "paper", "-o", "a.py"], "a99"),
        (["a10", "--scale", "smoke", "-o", "a.py"], "data/smoke_lvis/annotations/train.json"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(words, said, tmp_path, monkeypatch, printed):
    (tmp_path / "configs").symlink_to(paths.CONFIGS.resolve())
    monkeypatch.chdir(tmp_path)
    error = printed("config", *words, code=2)
    assert said in error and error.count("\n") == 1
    assert not [*tmp_path.glob("a*")]
