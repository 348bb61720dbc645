"""A training of a second through the real trainer, each attempt in a forked process of its own.

It has all that a resumed training could lose: momentum, a warm-up and steps, batch statistics,
dropout, Seesaw's counters, random augmentation, images of two aspect ratios.
"""

import json
import os
import random
import signal
import socket
import sys
import time
from contextlib import nullcontext, suppress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from category_counts import counts
from mmdet.models.losses import CrossEntropyLoss
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

from seesaw.core import stopping
from seesaw.errors import Interrupted, UserError
from seesaw.models.losses.seesaw_loss import SyncedSeesawLoss
from seesaw.training import batches
from seesaw.training.hook import RunLogHook
from seesaw.training.train import train

ITERATIONS = 30
IMAGES = 24
HEADER = {"id": "toy-seed3-0123", "group": "table_a1", "name": "toy", "tags": ["smoke"], "seed": 3}


@DATASETS.register_module()
class ToyDataset:
    """Item i: (4, 6) float and a label in 0..3, 3 = background; every third is a portrait."""

    metainfo = {"classes": ("a", "b", "c")}
    loaded = 0

    def __len__(self):
        return IMAGES

    def get_data_info(self, index):
        return {"width": 3 if index % 3 == 0 else 5, "height": 4, "index": index}

    def __getitem__(self, index):
        ToyDataset.loaded += 1
        picture = np.sin(np.arange(24.0) * (index + 1)).reshape(4, 6)
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        picture = picture + 0.1 * np.random.standard_normal(picture.shape)
        return {"inputs": torch.tensor(picture.copy()).float(), "labels": torch.tensor(index % 4)}


class ToyHead(nn.Module):
    num_classes = 3

    def __init__(self, plain, loss):
        super().__init__()
        self.dropout = nn.Identity() if plain else nn.Dropout(0.3)
        self.fc_cls = nn.Linear(8, 4 if plain else 5)
        self.loss_cls = CrossEntropyLoss(**loss) if plain else SyncedSeesawLoss(num_classes=3)

    def forward(self, features, labels):
        scores, ones = self.fc_cls(self.dropout(features)), torch.ones(len(labels))
        losses = self.loss_cls(scores, labels, ones, avg_factor=float(len(labels)))
        return losses if isinstance(losses, dict) else {"loss_cls": losses}


@MODELS.register_module()
class ToyModel(BaseModel):
    """``plain``: a batch's gradient is the mean of its images' (no batch statistics)."""

    def __init__(self, plain, loss, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        norm = nn.Identity() if plain else nn.SyncBatchNorm(8)
        self.features = nn.Sequential(nn.Conv1d(4, 8, 3), norm, nn.ReLU())
        self.roi_head = nn.ModuleDict(dict(bbox_head=ToyHead(plain, loss)))

    def forward(self, inputs, labels, mode="loss"):
        features = self.features(torch.stack(inputs)).mean(2)
        return self.roi_head.bbox_head(features, torch.stack(labels))


@HOOKS.register_module()
class Fault(Hook):
    """Does something to its own process before iteration ``at`` (counted from 0)."""

    def __init__(self, at, what="kill", seconds=0.0):
        self.at, self.what, self.seconds = at, what, seconds

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter != self.at:
            return
        if self.what == "kill":
            kill()
        elif self.what == "term":
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.what == "fill":
            with suppress(OSError), open(f"{runner.work_dir}/filler", "wb", 0) as filler:
                while filler.write(bytes(512)):
                    pass
        else:  # some time later the kernel ends the process: SIGALRM has no handler
            signal.setitimer(signal.ITIMER_REAL, self.seconds)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def fault(at, what="kill", **options):
    return [dict(type="Fault", at=at, what=what, **options)]


COUNTS = counts((3, 6, 9), images=(1, 2, 3), annotated=9)
GRADIENTS = dict(type="seesaw.training.gradients.GradientRatioHook", category_counts=COUNTS)


def config(hooks=(), interval=5, lr=0.05, batch=2, plain=False, loss=None, bound=None):
    optimizer = dict(type="SGD", lr=lr, momentum=0.9, weight_decay=1e-4)
    schedule = dict(epochs=2.5, milestones=[1, 2], gamma=0.1, warmup_iters=4, warmup_start=1e-3)
    return Config(
        dict(
            default_scope="mmdet",
            batch_size=batch,
            model=dict(type="ToyModel", plain=plain, loss=loss or {}),
            train_dataloader=dict(num_workers=0, dataset=dict(type="ToyDataset")),
            schedule=schedule,
            optim_wrapper=dict(type="OptimWrapper", optimizer=optimizer),
            checkpoint_interval=interval,
            **(dict(images_per_gpu=bound) if bound else {}),
            custom_hooks=[GRADIENTS, *hooks],
        )
    )


def attempt(folder: Path, ranks=1, patch=None, log=None, make=config, **changes) -> int:
    """Exit code of an attempt: 0, 2 (UserError), 75 (Interrupted), -9 (killed).

    ``patch`` is called in each process before it trains. With ``log``, a mode of W&B, it writes a
    run log. ``deadline``, ``images_per_gpu`` and ``init_from`` are `train`'s, all other changes
    those of ``make``, which makes the config. As under torchrun, the first rank that fails takes
    the others with it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = get_context("fork")
    processes = []
    for rank in range(ranks):
        arguments = (folder, rank, ranks, port, patch, log, make, changes)
        processes.append(context.Process(target=_attempt, args=arguments))
        processes[-1].start()
    while any(p.exitcode is None for p in processes):
        if failed := [p.exitcode for p in processes if p.exitcode]:
            for p in processes:
                # the others come to the same end, on a busy machine later; after a kill they hang
                p.join(0.5 if min(failed) < 0 else 60)
                p.kill()
        time.sleep(0.01)
    codes = [p.exitcode for p in processes]
    return next((c for c in codes if c), 0)


def _attempt(folder, rank, ranks, port, patch, log, make, changes):
    folder.mkdir(exist_ok=True, parents=True)
    sys.stdout = sys.stderr = open(folder / f"log.{rank}", "a")  # noqa: SIM115
    if ranks > 1:
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        values = (rank, rank, ranks, "127.0.0.1", port)
        os.environ |= {n: str(v) for n, v in zip(names, values, strict=True)}
    torch.set_num_threads(1)
    if patch:
        patch()
    code = 0
    own = ("deadline", "images_per_gpu", "init_from")
    options = {k: changes.pop(k) for k in own if k in changes}
    try:
        output, work = folder / "model.pth", folder / "work"
        with RunLogHook(work / "log.jsonl", HEADER, log) if log else nullcontext() as hook:
            options["hooks"] = [hook] if hook else []
            facts = train(make(**changes), 3, work, output, **options)
        (folder / f"facts.{rank}").write_text(json.dumps(facts, default=str))
    except (UserError, Interrupted) as error:
        print(f"{type(error).__name__}: {error}")
        code = 2 if isinstance(error, UserError) else 75
    sys.stdout.flush()
    os._exit(code)


def results(folder: Path) -> tuple[bytes, bytes]:
    """What a finished training leaves: weights and, where asked for, cumulative gradients."""
    names = ("model.pth", "gradients.json")
    return tuple(p.read_bytes() if (p := folder / name).exists() else b"" for name in names)


def batches_of(workers: int, first: int, count: int) -> list:
    """Batches ``first`` to ``first + count`` as a training would have them."""
    from mmengine.runner import Runner

    loader = Runner.build_dataloader(
        dict(
            dataset=batches.SeededDataset(ToyDataset(), seed=3),
            batch_size=2,
            num_workers=workers,
            sampler=dict(type="InfiniteSampler", seed=3),
            batch_sampler=dict(type="mmdet.ResumableAspectRatioBatchSampler"),
            worker_init_fn=dict(type=stopping.leave_signals_to_the_main_process),
        )
    )
    loader.batch_sampler.start = first
    made, iterator = [], iter(loader)
    for iteration in range(first, first + count):
        batches.seed_iteration(3, iteration, 0)
        made.append(next(iterator))
    return made
