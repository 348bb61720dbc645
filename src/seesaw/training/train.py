"""Train one rung with one seed and write its weights canonically."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed

from seesaw.errors import UserError
from seesaw.training.loop import SeededIterLoop
from seesaw.training.schedule import iterations


def train(cfg: Config, seed: int, work: Path, output: Path, init_from: Path | None = None) -> dict:
    """Train to the end, resuming from the newest checkpoint in ``work`` if there is one.

    Args:
        cfg: a resolved config.
        seed: seeds weights, sampling and augmentation.
        work: intermediate checkpoints and logs; kept when the training is cut off.
        output: where the finished weights go, whole or not at all.
        init_from: weights of the training that this one starts from.

    Returns:
        Facts for the provenance record: iterations, seconds an iteration, images, batch.

    Raises:
        UserError: an image, an annotation or pre-trained weights are missing or broken, or the
            loss is no number.
    """
    launcher = "pytorch" if "WORLD_SIZE" in os.environ else "none"
    runner_cfg, facts = _runner_config(cfg, seed, work, launcher)
    runner = Runner.from_cfg(runner_cfg)
    if not torch.cuda.is_available():
        # torch's SyncBatchNorm needs a GPU; on one process BN is the same function.
        runner.model = revert_sync_batchnorm(runner.model)
    if init_from is not None:
        runner.load_checkpoint(str(init_from), strict=False)
    runner.train()
    save_model(runner.model, output)
    return facts | _timing(runner)


def save_model(model: torch.nn.Module, path: Path) -> None:
    """Write weights and counters only, in a fixed order, whole or not at all.

    The same weights give the same bytes: nothing of time, host or run is stored.
    """
    module = model.module if hasattr(model, "module") else model
    state = {k: v.detach().cpu().contiguous() for k, v in sorted(module.state_dict().items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    # torch names the archive after the file; a stream has always the same name.
    with part.open("wb") as stream:
        torch.save({"state_dict": state}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def _runner_config(cfg: Config, seed: int, work: Path, launcher: str) -> tuple[Config, dict]:
    cfg = cfg.copy()
    init_default_scope("mmdet")
    set_random_seed(seed, deterministic=torch.cuda.is_available())
    dataset = Runner.build_dataloader(
        cfg.train_dataloader | dict(batch_size=1, num_workers=0, persistent_workers=False)
    ).dataset
    gpus = int(os.environ.get("WORLD_SIZE", 1))
    if cfg.batch_size % gpus:
        raise UserError(
            f"{cfg.filename or 'config'}: batch_size {cfg.batch_size} does not divide over "
            f"{gpus} GPUs; use a number of GPUs that divides it."
        )
    total, schedulers = iterations(cfg.schedule, len(dataset), cfg.batch_size)
    cfg.train_dataloader.batch_size = cfg.batch_size // gpus
    cfg.train_dataloader.sampler.seed = seed
    cfg.train_cfg = dict(
        type=SeededIterLoop.__name__, max_iters=total, val_interval=total + 1, seed=seed
    )
    cfg.param_scheduler = schedulers
    cfg.default_hooks = dict(
        timer=dict(type="IterTimerHook"),
        logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
        param_scheduler=dict(type="ParamSchedulerHook"),
        checkpoint=dict(
            type="CheckpointHook", by_epoch=False, interval=max(total // 10, 100), max_keep_ckpts=2
        ),
        sampler_seed=None,
    )
    cfg.custom_hooks = [dict(type="CheckInvalidLossHook", interval=10)]
    cfg.log_processor = dict(type="LogProcessor", window_size=20, by_epoch=False)
    cfg.work_dir = str(work)
    cfg.resume = True
    cfg.launcher = launcher
    cfg.experiment_name = "train"
    cfg.randomness = dict(seed=seed)
    facts = dict(
        iterations=total,
        batch=cfg.batch_size,
        gpus=gpus,
        training_images=len(dataset),
    )
    return cfg, facts


def _timing(runner: Runner) -> dict[str, Any]:
    times = [float(t) for t in runner.message_hub.get_scalar("train/time").data[0]]
    return dict(seconds_per_iteration=round(sum(times) / max(len(times), 1), 4))
