"""Train one rung with one seed and write its weights canonically."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, find_latest_checkpoint, set_random_seed

import seesaw.models
import seesaw.training.loop  # noqa: F401  (registers)
from seesaw.errors import UserError
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
    init_default_scope(cfg.default_scope)
    gpus = int(os.environ.get("WORLD_SIZE", 1))
    if cfg.batch_size % gpus:
        raise UserError(
            f"batch_size is {cfg.batch_size}, which {gpus} GPUs cannot share evenly; "
            f"use a number of GPUs that divides it."
        )
    set_random_seed(seed, deterministic=torch.cuda.is_available())
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    total, schedulers = iterations(cfg.schedule, len(dataset), cfg.batch_size)
    loader = cfg.train_dataloader.to_dict() | dict(
        dataset=dataset,
        batch_size=cfg.batch_size // gpus,
        sampler=dict(type="InfiniteSampler", seed=seed),
    )
    if not torch.cuda.is_available():
        loader |= dict(num_workers=0, persistent_workers=False)
    newest = find_latest_checkpoint(str(work))
    runner = Runner(
        model=cfg.model,
        work_dir=str(work),
        train_dataloader=loader,
        train_cfg=dict(type="SeededIterLoop", max_iters=total, val_interval=total + 1, seed=seed),
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=schedulers,
        default_hooks=_hooks(total),
        custom_hooks=[dict(type="CheckInvalidLossHook", interval=10), *cfg.get("custom_hooks", [])],
        log_processor=dict(type="LogProcessor", window_size=20, by_epoch=False),
        resume=newest is not None,
        load_from=newest or (str(init_from) if init_from else None),
        launcher="pytorch" if "WORLD_SIZE" in os.environ else "none",
        default_scope=cfg.default_scope,
        randomness=dict(seed=seed),
        experiment_name="train",
        cfg=cfg,
    )
    if not torch.cuda.is_available():
        # torch's SyncBatchNorm needs a GPU; on one process BN is the same function.
        runner.model = revert_sync_batchnorm(runner.model)
    start = time.monotonic()
    first = runner.iter
    try:
        runner.train()
    except AssertionError as error:
        if told := _told(error):
            raise UserError(told) from error
        raise
    seconds = time.monotonic() - start
    save_model(runner.model, output)
    return dict(
        iterations=total,
        batch=cfg.batch_size,
        gpus=gpus,
        epoch_images=len(dataset),
        seconds_per_iteration=round(seconds / max(total - first, 1), 4),
    )


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


def _hooks(total: int) -> dict:
    return dict(
        timer=dict(type="IterTimerHook"),
        logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
        param_scheduler=dict(type="ParamSchedulerHook"),
        checkpoint=dict(
            type="CheckpointHook", by_epoch=False, interval=max(total // 10, 100), max_keep_ckpts=2
        ),
    )


def _told(error: AssertionError) -> str | None:
    """What went wrong, of the assertions that mean broken data or a diverged training."""
    text = " ".join(str(error).split())
    if "failed to load image" in text:
        return f"{text.rsplit(' ', 1)[-1]} is missing or no image; get the dataset again."
    if text in ("", "None"):  # what mmdet's CheckInvalidLossHook raises
        return "the loss is not finite; lower optim_wrapper.optimizer.lr or clip gradients."
    return None
