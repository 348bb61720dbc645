"""Batches that are a function of (seed, iteration, rank), whatever ran before and in any worker."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmdet.datasets.samplers import AspectRatioBatchSampler
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_rank
from torch.utils.data import Dataset, get_worker_info


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed Python, NumPy and torch for one iteration on one rank.

    Augmentation, RoI sampling and dropout of iteration k then do not depend on what ran before,
    so that a resumed training continues exactly as an uninterrupted one.
    """
    state = np.random.SeedSequence([seed, iteration, rank]).generate_state(3)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))
    torch.manual_seed(int(state[2]))


class Batch(list):
    """The indices of one batch, and in ``iteration`` the iteration it is for."""

    iteration: int


class SeededDataset(Dataset):
    """A dataset whose augmentation is seeded by the iteration in loader workers as without them.

    Args:
        dataset: any of mmdet's.
        seed: the training's seed.
    """

    def __init__(self, dataset: Any, seed: int):
        self.dataset, self.seed, self.rank = dataset, seed, get_rank()
        self._sizes: dict[int, dict[str, int]] = {}

    @property
    def metainfo(self) -> dict:
        """Of the dataset."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]

    def __getitems__(self, batch: Batch) -> list:
        """One batch; the main process is seeded by the loop, before it asks."""
        if get_worker_info() is not None:
            seed_iteration(self.seed, batch.iteration, self.rank)
        return [self.dataset[index] for index in batch]

    def get_data_info(self, index: int) -> dict[str, int]:
        """Width and height of an image, px: all that a batch sampler asks for, read once."""
        if index not in self._sizes:
            info = self.dataset.get_data_info(index)
            self._sizes[index] = {"width": info["width"], "height": info["height"]}
        return self._sizes[index]

    def __deepcopy__(self, memo: dict) -> SeededDataset:
        return self  # mmengine copies the loader's config, and LVIS with it


@DATA_SAMPLERS.register_module()
class ResumableAspectRatioBatchSampler(AspectRatioBatchSampler):
    """mmdet's batches from iteration ``start`` on.

    Which images make batch k depends on all indices before it (each of the two groups waits for
    its batch to fill), so those before ``start`` are formed too: from indices and image sizes,
    seconds for a whole LVIS schedule, and no image is loaded.
    """

    start = 0

    def __iter__(self) -> Iterator[Batch]:
        for iteration, indices in enumerate(super().__iter__()):
            if iteration >= self.start:
                batch = Batch(indices)
                batch.iteration = iteration
                yield batch


def leave_signals_to_the_trainer(worker: int) -> None:
    """A loader worker's start: on SIGTERM to the whole job, the trainer saves and ends it."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def end_workers(iterator: Any) -> None:
    """End the loader's workers; nothing where there are none.

    They ignore SIGTERM, by which Python would end them and then wait for ever at its own exit.
    What ends them is the loader's own message, which torch sends only when the iterator is freed.

    Args:
        iterator: mmengine's endless iterator over a loader.
    """
    inner = getattr(iterator, "_iterator", None)
    if (end := getattr(inner, "_shutdown_workers", None)) is not None:
        end()
