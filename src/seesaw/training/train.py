"""Run a training with one seed and write its weights as byte-reproducible files."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed
from torch.nn.modules.batchnorm import _BatchNorm

import seesaw.models
import seesaw.training.deadline
import seesaw.training.loop  # noqa: F401  (registers)
from seesaw.core import stopping
from seesaw.errors import PermanentError, UserError, unreadable_image
from seesaw.models.precision import Switches
from seesaw.training import batches
from seesaw.training.checkpoint import durable, iteration, newest
from seesaw.training.schedule import iterations, least_images, passes


def train(
    cfg: Config,
    seed: int,
    work: Path,
    output: Path,
    init_from: Path | None = None,
    deadline: float | None = None,
    hooks: Sequence[Hook] = (),
    images_per_gpu: int | None = None,
    switches: Switches = Switches(),  # noqa: B008  (immutable)
    workers: int | None = None,
    classes: Sequence[str] | None = None,
) -> dict:
    """Train to the end, resuming from the newest complete checkpoint in ``work`` if there is one.

    On a CPU, with one or two ranks, an interrupted and resumed training gives byte-identical
    weights to an uninterrupted one.

    Args:
        cfg: a resolved config.
        seed: seeds weights, sampling and augmentation.
        work: folder of intermediate checkpoints and logs; kept when the training is interrupted.
        output: path of the finished weights, which are written atomically.
        init_from: weights of the training that this one starts from.
        deadline: time by which the training must end, s since 1970.
        hooks: additional hooks, such as the run log, that do not affect the training.
        images_per_gpu: largest number of images that fit on a GPU; the config's own
            ``images_per_gpu`` also applies. Gradients are accumulated up to the config's batch
            size, which never changes.
        switches: options that make a GPU faster.
        workers: processes that load images; by default the config's on a GPU, none on a CPU.
        classes: names by label, which are saved with the weights.

    Returns:
        Facts for the provenance record: ``iterations``, ``batch`` (images per iteration), ``gpus``,
        ``accumulated`` (passes per iteration), ``epoch_images``, ``seconds_per_iteration``
        (None if all of them had been done before),
        ``gpu_switches`` (on a GPU only), and ``remarks``, sentences about other conditions that
        affect the numbers. And ``artefacts``: files beside the weights, written by hooks with a
        method ``write(folder)``.

    Raises:
        UserError: an image, an annotation or pre-trained weights are missing or broken, the GPUs
            cannot share the batch, the schedule has no iteration, or the disk is full.
        PermanentError: the loss is not finite.
        Interrupted: a signal arrived or the deadline is near; the state is saved.
    """
    init_default_scope(cfg.default_scope)
    gpus = int(os.environ.get("WORLD_SIZE", 1))
    if images_per_gpu:
        images_per_gpu = min(images_per_gpu, cfg.get("images_per_gpu", images_per_gpu))
    images, accumulated = passes(cfg.batch_size, gpus, images_per_gpu, least_images(cfg))
    _join_ranks()
    set_random_seed(seed, deterministic=switches.deterministic)
    switches.set_up()
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    total, schedulers = iterations(cfg.schedule, len(dataset), cfg.batch_size)
    if workers is None:
        workers = cfg.train_dataloader.num_workers if torch.cuda.is_available() else 0
    loader = loader_options(cfg, dataset, seed, images, workers)
    found = [newest(work) if is_main_process() else None]
    broadcast_object_list(found)
    start_from = found[0]
    runner = _Runner(
        switches,
        model=cfg.model,
        work_dir=str(work),
        train_dataloader=loader,
        train_cfg=dict(
            type="SeededIterLoop",
            max_iters=total,
            val_interval=total + 1,
            seed=seed,
            accumulated=accumulated,
        ),
        optim_wrapper=switches.optimizer(cfg.optim_wrapper.to_dict()),
        param_scheduler=schedulers,
        default_hooks=_hooks(cfg, total),
        custom_hooks=[
            dict(type="CheckInvalidLossHook", interval=10),
            dict(type="DeadlineHook", deadline=deadline),
            *cfg.get("custom_hooks", []),
            *hooks,
        ],
        log_processor=dict(type="LogProcessor", window_size=20, by_epoch=False),
        resume=start_from is not None,
        load_from=str(p) if (p := start_from or init_from) else None,
        launcher="pytorch" if "WORLD_SIZE" in os.environ else "none",
        default_scope=cfg.default_scope,
        randomness=dict(seed=seed),
        experiment_name="train",
        cfg=cfg,
    )
    start = time.monotonic()
    first = iteration(start_from) if start_from else 0
    try:
        runner.train()
    except AssertionError as error:
        if explanation := _explained(error, cfg.filename or "its config"):
            raise explanation from error
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"{work} cannot be written ({error.strerror}); make room there and run the same "
            f"command again: it goes on from the last checkpoint."
        ) from error
    finally:
        stopping.end_workers(getattr(runner._train_loop, "dataloader_iterator", None))
    seconds = time.monotonic() - start
    beside = [hook.write(output.parent) for hook in runner.hooks if hasattr(hook, "write")]
    if is_main_process():
        save_model(runner.model, output, classes)
    barrier()  # the records of the other ranks need the files
    return dict(
        iterations=total,
        batch=cfg.batch_size,
        gpus=gpus,
        accumulated=accumulated,
        remarks=_remarks(runner.model, images, gpus, cfg.batch_size),
        artefacts=beside,
        epoch_images=len(dataset),
        **switches.facts(),
        seconds_per_iteration=round(seconds / (total - first), 4) if total > first else None,
    )


def loader_options(cfg: Config, dataset: Any, seed: int, images: int, workers: int) -> dict:
    """Return the loader of a training, as a config of mmengine.

    Args:
        cfg: a resolved config.
        dataset: the built dataset.
        seed: seeds sampling and augmentation.
        images: number of images of a batch.
        workers: number of processes that load images.
    """
    return cfg.train_dataloader.to_dict() | dict(
        dataset=batches.SeededDataset(dataset, seed),
        batch_size=images,
        sampler=dict(type="InfiniteSampler", seed=seed),
        batch_sampler=dict(type="ResumableAspectRatioBatchSampler"),
        worker_init_fn=dict(type=stopping.leave_signals_to_the_main_process),
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def save_model(model: torch.nn.Module, path: Path, classes: Sequence[str] | None = None) -> None:
    """Write weights, counters and the classes' names only, atomically and in a fixed order.

    The same weights give the same bytes, because no time, host or other property of the run is
    stored. mmdet's `init_detector` takes the names from ``dataset_meta``.
    """
    module = model.module if hasattr(model, "module") else model
    state = {k: v.detach().cpu().contiguous() for k, v in sorted(module.state_dict().items())}
    # torch names the archive after the file; a stream always has the same name.
    stream = io.BytesIO()
    content: dict[str, Any] = {"state_dict": state}
    if classes:
        content["meta"] = {"dataset_meta": {"classes": list(classes), "palette": "random"}}
    torch.save(content, stream)
    with durable(path) as part:
        part.write_bytes(stream.getbuffer())


class _Runner(Runner):
    """mmengine's runner with support for several ranks on a CPU and for a GPU's switches."""

    def __init__(self, switches: Switches, **options):
        self._switches = switches
        super().__init__(**options)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: torch.nn.Module):
        model = self._switches.model(model)
        if torch.cuda.is_available():
            return super().wrap_model(model_wrapper_cfg, model)
        # torch's SyncBatchNorm needs a GPU; in one process BN gives the same result.
        model = revert_sync_batchnorm(model)
        unused = self.cfg.get("find_unused_parameters", False)
        # as on GPUs, except device_ids, which torch refuses on a CPU
        wrapper = dict(device_ids=None, broadcast_buffers=False, find_unused_parameters=unused)
        return super().wrap_model(wrapper, model)


def _join_ranks() -> None:
    """Join torchrun's process group; mmengine would do so later, and on GPUs only."""
    if "WORLD_SIZE" not in os.environ or is_distributed():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def _hooks(cfg: Config, total: int) -> dict:
    interval = cfg.get("checkpoint_interval", max(total // 50, 100))  # the most that a crash loses
    return dict(
        timer=dict(type="IterTimerHook"),
        logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
        param_scheduler=dict(type="ParamSchedulerHook"),
        checkpoint=dict(type="DurableCheckpointHook", interval=interval),
    )


def _remarks(model: torch.nn.Module, images: int, gpus: int, batch: int) -> list[str]:
    """Return remarks on batch statistics that are over fewer images than the batch has."""
    model.train()  # frozen layers stay frozen
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]
    over = {}
    for norm in norms:
        synced = isinstance(norm, torch.nn.SyncBatchNorm)
        over["SyncBN" if synced else "BN"] = images * gpus if synced else images
    return [
        f"batch statistics differ: {kind} over {count} of {batch} images"
        for kind, count in sorted(over.items())
        if count < batch
    ]


def _explained(error: AssertionError, config: str) -> UserError | None:
    """Explain assertions that mean broken data or a diverged training; None for all others."""
    if fault := unreadable_image(error):
        return fault
    if " ".join(str(error).split()) in ("", "None"):  # raised by mmdet's CheckInvalidLossHook
        return PermanentError(
            "the loss is not finite; lower optim_wrapper.optimizer.lr or clip gradients "
            f"(optim_wrapper.clip_grad) in {config}."
        )
    return None
